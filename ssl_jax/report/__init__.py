"""Pages and tables that show one run, or several side by side."""
