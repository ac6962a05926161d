"""What pipeline's reader and writer cost, against a bare loop of boto3 that moves the same messages."""
