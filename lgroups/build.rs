// SPDX-License-Identifier: GPL-2.0

//! Gives the shared library its soname, which changes when its ABI does.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,liblgroups.so.0");
}
