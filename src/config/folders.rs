//! Where the configuration and the data are when nobody says so: the platform's folders, the same for the desktop
//! app. Never the working directory.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::Vars;

/// The habits of a system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// XDG base directories.
    Xdg,
    /// `~/Library`.
    MacOs,
    /// `%APPDATA%` and `%LOCALAPPDATA%`.
    Windows,
}

impl Platform {
    /// That of this machine.
    pub const HERE: Self = if cfg!(target_os = "macos") {
        Self::MacOs
    } else if cfg!(windows) {
        Self::Windows
    } else {
        Self::Xdg
    };
}

/// The environment does not say where a person's folders are.
#[derive(Debug, Error)]
#[error("cannot tell where {what} belongs: {variable} is not set; give {option} or set {own}")]
pub struct NoFolder {
    what: &'static str,
    variable: &'static str,
    option: &'static str,
    own: &'static str,
}

/// The configuration file: `HALLMONITOR_CONFIG`, else `hallmonitor/config.yml` in the configuration folder.
///
/// # Errors
/// The environment does not say where a person's folders are.
pub fn config_file(platform: Platform, vars: &Vars) -> Result<PathBuf, NoFolder> {
    if let Some(file) = set(vars, "HALLMONITOR_CONFIG") {
        return Ok(file.into());
    }
    let missing =
        |variable| NoFolder { what: "the configuration", variable, option: "--config", own: "HALLMONITOR_CONFIG" };
    let folder = match platform {
        Platform::Xdg => xdg(vars, "XDG_CONFIG_HOME", ".config").ok_or_else(|| missing("HOME"))?,
        Platform::MacOs => library(vars).ok_or_else(|| missing("HOME"))?,
        Platform::Windows => absolute(vars, "APPDATA").ok_or_else(|| missing("APPDATA"))?,
    };
    Ok(folder.join("hallmonitor").join("config.yml"))
}

/// The data folder: `HALLMONITOR_DATA_DIR`, else `hallmonitor` in the data folder.
///
/// # Errors
/// The environment does not say where a person's folders are.
pub fn data_dir(platform: Platform, vars: &Vars) -> Result<PathBuf, NoFolder> {
    if let Some(folder) = set(vars, "HALLMONITOR_DATA_DIR") {
        return Ok(folder.into());
    }
    let missing =
        |variable| NoFolder { what: "the data folder", variable, option: "--data-dir", own: "HALLMONITOR_DATA_DIR" };
    let folder = match platform {
        Platform::Xdg => xdg(vars, "XDG_DATA_HOME", ".local/share").ok_or_else(|| missing("HOME"))?,
        Platform::MacOs => library(vars).ok_or_else(|| missing("HOME"))?,
        Platform::Windows => absolute(vars, "LOCALAPPDATA").ok_or_else(|| missing("LOCALAPPDATA"))?,
    };
    Ok(folder.join("hallmonitor"))
}

fn set<'a>(vars: &'a Vars, name: &str) -> Option<&'a str> {
    vars.get(name).filter(|value| !value.is_empty())
}

/// A path that is not absolute is ignored, as the XDG base directory specification demands.
fn absolute(vars: &Vars, name: &str) -> Option<PathBuf> {
    // A Windows path looks relative elsewhere, where only tests have one.
    set(vars, name).map(PathBuf::from).filter(|path| path.is_absolute() || !cfg!(windows) && name.ends_with("APPDATA"))
}

fn xdg(vars: &Vars, name: &str, below_home: &str) -> Option<PathBuf> {
    absolute(vars, name).or_else(|| absolute(vars, "HOME").map(|home| home.join(below_home)))
}

fn library(vars: &Vars) -> Option<PathBuf> {
    absolute(vars, "HOME").map(|home| home.join(Path::new("Library").join("Application Support")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars(pairs: &[(&str, &str)]) -> Vars {
        pairs.iter().copied().collect()
    }

    #[test]
    fn xdg_folders_win_over_home_when_absolute() {
        let home = vars(&[("HOME", "/h/ann")]);
        let at = |vars: &Vars| {
            let path = |path: PathBuf| path.display().to_string();
            let config = config_file(Platform::Xdg, vars).map(path).expect("found");
            (config, data_dir(Platform::Xdg, vars).map(path).expect("found"))
        };
        let usual = ("/h/ann/.config/hallmonitor/config.yml".into(), "/h/ann/.local/share/hallmonitor".into());
        assert_eq!(at(&home), usual);
        let relative = vars(&[("HOME", "/h/ann"), ("XDG_CONFIG_HOME", "here"), ("XDG_DATA_HOME", "")]);
        assert_eq!(at(&relative), usual);
        let own = vars(&[("XDG_CONFIG_HOME", "/c"), ("XDG_DATA_HOME", "/d")]);
        assert_eq!(at(&own), ("/c/hallmonitor/config.yml".into(), "/d/hallmonitor".into()));
        let named = vars(&[("HALLMONITOR_CONFIG", "/x/my.yml"), ("HALLMONITOR_DATA_DIR", "/x/data")]);
        assert_eq!(at(&named), ("/x/my.yml".into(), "/x/data".into()));
    }

    #[test]
    fn other_platforms_have_their_own_habits() {
        let mac = vars(&[("HOME", "/Users/ann"), ("XDG_DATA_HOME", "/d")]);
        let data = data_dir(Platform::MacOs, &mac).expect("found");
        assert_eq!(data, Path::new("/Users/ann/Library/Application Support/hallmonitor"));
        let windows = vars(&[("APPDATA", "C:\\R"), ("LOCALAPPDATA", "C:\\L")]);
        assert_eq!(
            config_file(Platform::Windows, &windows).expect("found"),
            Path::new("C:\\R").join("hallmonitor/config.yml")
        );
        assert_eq!(data_dir(Platform::Windows, &windows).expect("found"), Path::new("C:\\L").join("hallmonitor"));
    }

    #[test]
    fn without_a_home_it_says_what_to_do() {
        let error = data_dir(Platform::Xdg, &Vars::default()).expect_err("no home").to_string();
        assert!(error.contains("HOME") && error.contains("--data-dir"), "{error}");
    }
}
