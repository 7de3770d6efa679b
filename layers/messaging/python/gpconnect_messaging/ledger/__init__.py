"""The truth of every message: recorded facts, the status that they amount to, and their store in DynamoDB."""
