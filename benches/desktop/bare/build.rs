//! Gathers what Tauri needs to know of the configuration.

fn main() {
    tauri_build::build();
}
