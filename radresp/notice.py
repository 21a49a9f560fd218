"""The sentence every output carries."""

INTENDED_USE = (
    "Research use only. Not a medical device. Not for diagnosis or for deciding surgery, "
    "watch-and-wait or follow-up in any patient."
)
