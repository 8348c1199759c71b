"""Winners and losers of moving from one schedule to another."""
