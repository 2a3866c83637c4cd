// SPDX-License-Identifier: GPL-2.0

//! On what was measured: looked up, never written down.

use serde::{Deserialize, Serialize};
use std::arch::x86_64::__cpuid;

/// A machine, which may be a guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's model; of the host, if this is a guest and the host said it.
    pub processor: String,
    /// How many of them the kernel has.
    pub processors: usize,
    /// How many of them the host has; as many, if this is no guest.
    pub host_processors: usize,
    /// How the processors are made.
    pub execution: Execution,
    /// The kernel's release.
    pub kernel: String,
    /// The C compiler that built the kernel.
    pub c_compiler: String,
    /// The Rust compiler that built the kernel.
    pub rust_compiler: String,
}

/// How a machine's processors are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Execution {
    /// Of metal.
    Metal,
    /// By hardware virtualization.
    Virtual,
    /// By an emulator: seconds there say little, ratios more.
    Emulated,
    /// By an emulator that makes every instruction last a nanosecond.
    Counted,
}

impl Machine {
    /// This machine. `counted`: the emulator counts instructions, which cannot be seen from inside.
    pub fn here(counted: bool) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let host = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            processor: host("GROUPS_BENCH_PROCESSOR")
                .or_else(processor)
                .unwrap_or_else(unknown),
            processors,
            host_processors: host("GROUPS_BENCH_PROCESSORS")
                .and_then(|count| count.parse().ok())
                .unwrap_or(processors),
            execution: if counted {
                Execution::Counted
            } else {
                execution()
            },
            kernel: read("/proc/sys/kernel/osrelease").unwrap_or_else(unknown),
            c_compiler: c_compiler().unwrap_or_else(unknown),
            rust_compiler: rust_compiler().unwrap_or_else(unknown),
        }
    }

    /// No machine in particular.
    #[cfg(test)]
    pub fn unknown() -> Self {
        Self {
            processor: unknown(),
            processors: 1,
            host_processors: 1,
            execution: Execution::Counted,
            kernel: unknown(),
            c_compiler: unknown(),
            rust_compiler: unknown(),
        }
    }

    /// What figures in instructions depend on.
    pub fn key(&self) -> String {
        format!("{}, {}", self.kernel, self.rust_compiler)
    }
}

fn unknown() -> String {
    "unknown".into()
}

fn read(path: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned())
}

fn processor() -> Option<String> {
    let text = read("/proc/cpuinfo")?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// What the processor says of whom it belongs to.
fn execution() -> Execution {
    const HYPERVISOR: u32 = 1 << 31;
    // SAFETY: Every processor of this architecture has this instruction, and these leaves.
    let (features, vendor) = unsafe { (__cpuid(1), __cpuid(0x4000_0000)) };
    if features.ecx & HYPERVISOR == 0 {
        return Execution::Metal;
    }
    match &vendor.ebx.to_le_bytes() {
        b"TCGT" => Execution::Emulated,
        _ => Execution::Virtual,
    }
}

/// "Linux version RELEASE (BUILDER) (COMPILER, LINKER) …"
fn c_compiler() -> Option<String> {
    let version = read("/proc/version")?;
    let compiler = version.split_once(") (")?.1;
    let compiler = compiler
        .split_once(", ")
        .map_or(compiler, |(compiler, _)| compiler);
    Some(compiler.to_owned())
}

fn rust_compiler() -> Option<String> {
    let release = read("/proc/sys/kernel/osrelease")?;
    let headers = format!("/lib/modules/{release}/build/include/config/auto.conf");
    let config = read(&headers).or_else(|| read(&format!("/boot/config-{release}")))?;
    let line = config
        .lines()
        .find_map(|line| line.strip_prefix("CONFIG_RUSTC_VERSION_TEXT="))?;
    let text = line.trim_matches('"');
    // Without the commit and the distribution's remarks.
    Some(text.split(" (").next().unwrap_or(text).to_owned())
}
