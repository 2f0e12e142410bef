"""The whole product on an AWS emulator: what the demonstration and the scenarios are made of."""
