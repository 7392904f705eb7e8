//! Room `attest`, tests.
