"""What classifier makes of a queue of posts, against the AWS sample's way and against the endpoint by itself."""
