"""The truth of every message: recorded events, the status derived from them, and the store in DynamoDB."""
