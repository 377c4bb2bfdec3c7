//! Generates the wire's types. protox compiles the .proto files in Rust, so no protoc is needed.

use std::path::Path;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto");
    let file = root.join("daytonah/guest/v1/guest.proto");
    println!("cargo:rerun-if-changed={}", file.display());
    let set = protox::compile([&file], [&root]).expect("guest.proto compiles");
    prost_build::Config::new()
        .btree_map(["."])
        .disable_comments(["."])
        .compile_fds(set)
        .expect("guest.proto becomes Rust");
}
