"""What tenants have stored to reach others with: their keys for vendors."""
