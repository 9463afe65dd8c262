"""The protocol a second time, from docs/protocol alone: what a second client would have to write.

Nothing here may use the product's code (a test looks), so that agreement with the test vectors proves two things: the
vectors are right, and the pages say enough. Only what the vectors ask for is here; nothing is fast or keeps secrets.
"""
