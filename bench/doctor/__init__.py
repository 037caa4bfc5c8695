"""This machine -> findings: what can be measured here, what would spoil it, and what to do about it.

finding         what a finding is
host            processor, memory, load, disks
software        versions, variables of the environment, optional parts
card            GPUs and what their driver tells
folder          whether a folder keeps the promises that records rest on
second_process  the other side of those checks
data            which datasets are here
"""
