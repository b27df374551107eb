//! Links the OpenBLAS of the system where the feature `lapack` asks for one.

#[cfg(feature = "lapack")]
fn main() -> Result<(), String> {
    let found = pkg_config::probe_library("openblas");
    found.map(drop).map_err(|error| {
        format!("the feature `lapack` links OpenBLAS: install it and pkg-config (Debian: libopenblas-dev)\n{error}")
    })
}

#[cfg(not(feature = "lapack"))]
fn main() {}
