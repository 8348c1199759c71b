"""Measures of an outcome: progressivity, elasticities, votes."""
