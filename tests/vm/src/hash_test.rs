// SPDX-License-Identifier: GPL-2.0

//! The hash in which host tests put their trust is the one that the module uses.

use crate::harness::Test;
use crate::kernel_log::KernelLog;
use crate::module::{clone, load_file, unload_named};
use crate::test;
use xxhash_rust::xxh64::xxh64;

pub const TESTS: &[Test] = &[test!(the_kernels_xxh64_is_the_one_of_the_host_tests)];

/// The same ids as in kmod/xxh64_ids.rs.
fn id(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 + len * 13 + 1) as u8).collect()
}

fn the_kernels_xxh64_is_the_one_of_the_host_tests() {
    let mut log = KernelLog::from_now();
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let folder = clone().join("tests/target/kmod").join(release.trim());
    let module = folder.join("xxh64_ids.ko");
    load_file(&module, "").unwrap();
    unload_named(c"xxh64_ids").unwrap();
    let hashes: Vec<_> = log
        .lines()
        .iter()
        .filter_map(|line| line.text.strip_prefix("xxh64_ids: ").map(str::to_owned))
        .filter(|text| text.contains('='))
        .collect();
    let expected: Vec<_> = (1..=32)
        .map(|len| format!("{len} = {:016x}", xxh64(&id(len), 0)))
        .collect();
    assert_eq!(hashes, expected);
}
