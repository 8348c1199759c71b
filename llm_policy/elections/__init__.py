"""Leaders who are elected."""
