"""Ten minutes in which one supervisor bears a day's trouble, and the judgement whether anything has grown."""
