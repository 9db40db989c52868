//! Questions at a real terminal: a pseudo terminal, on which the program runs as under a shell. What is typed is never
//! echoed, and the terminal is left as it was.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use crate::support_keychain::Session;

const LONG: Duration = Duration::from_secs(30);
const PROGRAM: &str = env!("CARGO_BIN_EXE_hallmonitor");

/// A program at a terminal of its own, and what is on the screen.
struct Terminal {
    keys: File,
    shown: Receiver<Vec<u8>>,
    screen: String,
    child: Child,
}

impl Terminal {
    fn run(session: &Session, args: &[&str]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo terminal");
        grantpt(&master).expect("granted");
        unlockpt(&master).expect("unlocked");
        let name = ptsname(&master, Vec::new()).expect("named");
        let path = name.to_str().expect("a path").to_owned();
        let end = || OpenOptions::new().read(true).write(true).open(&path).expect("opens");
        // The command makes it the terminal of a session of its own, as a shell's is.
        let child = session
            .program("setsid")
            .args(["--ctty", "--wait", PROGRAM])
            .args(args)
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .expect("starts");
        let keys = File::from(master);
        let mut screen = keys.try_clone().expect("clones");
        let (sender, shown) = channel();
        thread::spawn(move || {
            let mut bytes = [0; 1024];
            // It ends with an error when the last program has left.
            while let Ok(count) = screen.read(&mut bytes) {
                if count == 0 || sender.send(bytes[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { keys, shown, screen: String::new(), child }
    }

    fn wait_for(&mut self, text: &str) {
        while !self.screen.contains(text) {
            match self.shown.recv_timeout(LONG) {
                Ok(bytes) => self.screen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => panic!("`{text}` does not come: {:?}", self.screen),
            }
        }
    }

    fn echoes(&self) -> bool {
        tcgetattr(&self.keys).expect("asks").local_modes.contains(LocalModes::ECHO)
    }

    /// Waits for a question, and types the answer.
    fn answer(&mut self, question: &str, answer: &str) {
        self.wait_for(question);
        // The question comes first, and then the echo goes.
        let is_hidden = (0..1_000).any(|_| {
            thread::sleep(Duration::from_millis(1));
            !self.echoes()
        });
        assert!(is_hidden, "what is typed after `{question}` would be shown");
        self.screen.clear();
        self.keys.write_all(format!("{answer}\n").as_bytes()).expect("types");
    }

    /// Waits for the end; gives how it ended and all that was shown since the last answer.
    fn end(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().expect("ends");
        assert!(self.echoes(), "the terminal is left as it was");
        loop {
            match self.shown.recv_timeout(Duration::from_millis(300)) {
                Ok(bytes) => self.screen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return (status, self.screen),
            }
        }
    }
}

#[test]
fn what_is_typed_at_a_terminal_is_never_shown() {
    let session = Session::without_bus();
    let (secret, passphrase) = ("hunter2-typed", "open-sesame-typed");
    let set = ["secrets", "set", "router", "--in", "file"];
    let hidden = |shown: &str| assert!(!shown.contains("typed"), "it is on the screen: {shown:?}");

    let mut terminal = Terminal::run(&session, &set);
    terminal.answer("Secret router: ", secret);
    terminal.answer("New passphrase for", passphrase);
    terminal.answer("The same again: ", "another-typed");
    let (status, shown) = terminal.end();
    assert!(!status.success() && shown.contains("These are not the same."), "{shown}");
    hidden(&shown);

    let mut terminal = Terminal::run(&session, &set);
    terminal.answer("Secret router: ", secret);
    terminal.answer("New passphrase for", passphrase);
    terminal.answer("The same again: ", passphrase);
    let (status, shown) = terminal.end();
    assert!(status.success() && shown.contains("router is kept in"), "{shown}");
    hidden(&shown);

    let mut terminal = Terminal::run(&session, &["secrets", "where", "router"]);
    terminal.answer("Passphrase of", passphrase);
    let (status, shown) = terminal.end();
    assert!(status.success() && shown.contains("and can be read"), "{shown}");
    hidden(&shown);

    let mut terminal = Terminal::run(&session, &["secrets", "where", "router"]);
    terminal.answer("Passphrase of", "wrong-typed");
    let (status, shown) = terminal.end();
    assert!(!status.success() && shown.contains("passphrase"), "{shown}");
    hidden(&shown);

    let mut terminal = Terminal::run(&session, &set);
    terminal.answer("Secret router: ", "");
    let (status, shown) = terminal.end();
    assert!(!status.success() && shown.contains("nothing is changed"), "{shown}");
}
