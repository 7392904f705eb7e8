//! Room `ringfence`: the binary.
fn main() {}
