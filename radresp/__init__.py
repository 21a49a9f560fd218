"""radresp: MRI before and after rectal-cancer treatment to a complete-response probability."""

__version__ = "0.1.0.dev0"
