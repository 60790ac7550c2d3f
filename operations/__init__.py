"""What the operator watches and switches."""
