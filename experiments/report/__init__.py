"""What people read: console, intervals, disclosures, figures."""
