//! Starting with the session, without a window. On Linux an entry of the desktop's own autostart folder, elsewhere what
//! the plugin does: on Linux that ignores `XDG_CONFIG_HOME` and does not quote the path of the program.

use tauri::{AppHandle, Runtime};

/// What the program is started with.
const HIDDEN: &str = "--hidden";

#[cfg(not(target_os = "linux"))]
pub(crate) use elsewhere::{is_on, plugin, set};
#[cfg(target_os = "linux")]
pub(crate) use linux::{is_on, plugin, set};

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::path::{Path, PathBuf};

    use tauri::Manager as _;
    use tauri::plugin::{Builder, TauriPlugin};

    use super::{AppHandle, HIDDEN, Runtime};

    const FILE: &str = "hall-monitor.desktop";

    /// Nothing is needed of it here.
    pub(crate) fn plugin<R: Runtime>() -> TauriPlugin<R> {
        Builder::new("start-at-login").build()
    }

    fn entry(app: &AppHandle) -> io::Result<PathBuf> {
        let folder = app.path().config_dir().map_err(io::Error::other)?;
        Ok(folder.join("autostart").join(FILE))
    }

    /// Whether the session starts us.
    pub(crate) fn is_on(app: &AppHandle) -> bool {
        let text = entry(app).and_then(std::fs::read_to_string);
        text.is_ok_and(|text| !text.lines().any(|line| line.trim() == "Hidden=true"))
    }

    /// Has the session start us, or not any more.
    pub(crate) fn set(app: &AppHandle, on: bool) -> io::Result<()> {
        let path = entry(app)?;
        if !on {
            return match std::fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        // An AppImage is mounted elsewhere each time: what is to be started is the image.
        let program = match std::env::var_os("APPIMAGE") {
            Some(image) => PathBuf::from(image),
            None => std::env::current_exe()?,
        };
        std::fs::write(path, text(&program))
    }

    fn text(program: &Path) -> String {
        format!(
            "[Desktop Entry]\nType=Application\nName=Hall Monitor\nComment=Watches hosts and services\nExec={} {HIDDEN}\n\
             Icon=hallmonitor-desktop\nTerminal=false\nStartupNotify=false\nX-GNOME-Autostart-enabled=true\n",
            quoted(program)
        )
    }

    /// A program as an argument of `Exec`: quoted, and each backslash once more, as for every text of such a file
    /// (Desktop Entry Specification 1.5, "The Exec key").
    fn quoted(program: &Path) -> String {
        let mut quoted = String::from("\"");
        for letter in program.to_string_lossy().chars() {
            match letter {
                '\\' => quoted.push_str("\\\\\\\\"),
                '"' | '`' | '$' => {
                    quoted.push_str("\\\\");
                    quoted.push(letter);
                }
                '%' => quoted.push_str("%%"),
                other => quoted.push(other),
            }
        }
        quoted.push('"');
        quoted
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn any_path_is_one_argument() {
            assert_eq!(quoted(Path::new("/opt/hall monitor/x")), r#""/opt/hall monitor/x""#);
            assert_eq!(quoted(Path::new("/a/100%")), r#""/a/100%%""#);
            assert_eq!(quoted(Path::new(r#"/a"b$c`d\e"#)), r#""/a\\"b\\$c\\`d\\\\e""#);
        }

        #[test]
        fn an_entry_starts_it_hidden() {
            let text = text(Path::new("/usr/bin/hallmonitor-desktop"));
            assert!(text.lines().any(|line| line == "Exec=\"/usr/bin/hallmonitor-desktop\" --hidden"), "{text}");
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::io;

    use tauri::plugin::TauriPlugin;
    use tauri_plugin_autostart::{MacosLauncher, ManagerExt as _};

    use super::{AppHandle, HIDDEN, Runtime};

    pub(crate) fn plugin<R: Runtime>() -> TauriPlugin<R> {
        tauri_plugin_autostart::init(MacosLauncher::LaunchAgent, Some(vec![HIDDEN]))
    }

    /// Whether the session starts us.
    pub(crate) fn is_on(app: &AppHandle) -> bool {
        app.autolaunch().is_enabled().unwrap_or(false)
    }

    /// Has the session start us, or not any more.
    pub(crate) fn set(app: &AppHandle, on: bool) -> io::Result<()> {
        let autostart = app.autolaunch();
        if on { autostart.enable() } else { autostart.disable() }.map_err(io::Error::other)
    }
}
