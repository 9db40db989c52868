//! Gathers what Tauri needs to know of configuration, capabilities and icons.

fn main() {
    tauri_build::build();
}
