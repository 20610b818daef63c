"""Pages that show runs: one run's ``report.html``, and several side by side."""
