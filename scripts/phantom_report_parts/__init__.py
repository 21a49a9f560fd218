"""The parts of scripts/phantom_report.py: one file for each thing that is measured or drawn."""
