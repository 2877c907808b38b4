//! Where ../c was built by CMake.
fn main() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../c/build");
    println!("cargo:rustc-link-search={folder}");
    println!("cargo:rustc-link-arg=-Wl,-rpath,{folder}");
}
