"""Who still lives among the processes of several machines: heartbeats on a topic that all of them write and read."""
