"""Test 3: does a model use what its memory holds?"""
