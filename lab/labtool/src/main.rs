//! The program inside the lab's pods: pause, serve, check, sleep. Static, numeric addresses only.

fn main() {}
