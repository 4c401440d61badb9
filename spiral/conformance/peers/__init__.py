"""The services that the suite plays for a target that needs peers."""
