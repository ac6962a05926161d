"""What stream-getter makes of a stream, from the socket to the queue, against two bare loops of boto3."""
