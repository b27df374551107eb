//! Links the system's OpenBLAS where the feature `lapack` asks for it.

#[cfg(feature = "lapack")]
fn main() -> Result<(), String> {
    match pkg_config::probe_library("openblas") {
        Ok(_) => Ok(()),
        Err(error) => Err(format!(
            "the feature `lapack` needs OpenBLAS: install it (Debian: libopenblas-dev, Homebrew: openblas) with pkg-config\n{error}"
        )),
    }
}

#[cfg(not(feature = "lapack"))]
fn main() {}
