//! How the backend looks to a person who chooses one.

use crate::storage::address::{Address, decoded};
use crate::storage::face::{field, words};
use crate::storage::{Face, Like, Part, TakenApart, Words};

/// Name, picture and words.
pub(super) const FACE: Face = Face {
    name: Words::name("PostgreSQL"),
    about: words(
        "Your SQL server, shared by several computers. TimescaleDB is used when it is there.",
        "Ihr SQL-Server, von mehreren Rechnern gemeinsam benutzt. TimescaleDB wird genutzt, wo es da ist.",
    ),
    icon: "M3 4.2C3 3 5.2 2.2 8 2.2s5 .8 5 2-2.2 2-5 2-5-.8-5-2Zm0 0v7.6c0 1.2 2.2 2 5 2s5-.8 5-2V4.2M3 8c0 1.2 2.2 2 5 2s5-.8 5-2",
    fields: &[
        field(
            "host",
            words("Host", "Rechner"),
            words(
                "Name or address of the server, or the folder of its socket. A whole address (`postgres://…`) can be pasted here.",
                "Name oder Adresse des Servers, oder der Ordner seines Sockets. Eine ganze Adresse (`postgres://…`) kann hier eingefügt werden.",
            ),
        ),
        field("port", Words::name("Port"), Words::name("")),
        field(
            "database",
            words("Database", "Datenbank"),
            words("It must be there already.", "Sie muss schon vorhanden sein."),
        ),
        field("user", words("User", "Benutzer"), Words::name("")),
        field(
            "password",
            words("Password", "Passwort"),
            words("Empty where the server asks for none.", "Leer, wenn der Server keines verlangt."),
        ),
        field(
            "sslmode",
            words("Protection (TLS)", "Schutz (TLS)"),
            words(
                "Use `verify-full` over any network that is not your own.",
                "In jedem Netz, das nicht Ihr eigenes ist: `verify-full`.",
            ),
        ),
        field(
            "caFile",
            words("CA file", "CA-Datei"),
            words(
                "Certificates (PEM) of the authority that signed the server's.",
                "Zertifikate (PEM) der Stelle, die das des Servers unterschrieben hat.",
            ),
        )
        .only("sslmode", Like::OneOf(&["verify-ca", "verify-full"]))
        .certificates(),
        field(
            "poolMin",
            words("Connections kept open", "Offen gehaltene Verbindungen"),
            words("0 closes all when nothing is to do.", "0 schließt alle, wenn nichts zu tun ist."),
        )
        .within(Part::Timing),
        field(
            "poolMax",
            words("Most connections", "Höchstens Verbindungen"),
            words("At the same time.", "Zur selben Zeit."),
        )
        .within(Part::Timing),
        field(
            "acquireTimeout",
            words("Wait for a connection", "Warten auf eine Verbindung"),
            words("The longest, such as `10s`.", "Höchstens, etwa `10s`."),
        )
        .within(Part::Timing),
        field(
            "statementTimeout",
            words("Time of a statement", "Zeit einer Anweisung"),
            words("The longest on the server.", "Höchstens auf dem Server."),
        )
        .within(Part::Timing),
        field(
            "idleTimeout",
            words("Close unused after", "Ungenutzte schließen nach"),
            words("A connection that nobody uses.", "Eine Verbindung, die niemand nutzt."),
        )
        .within(Part::Timing),
        field(
            "maxLifetime",
            words("Replace after", "Ersetzen nach"),
            words("However much a connection is used.", "Wie viel eine Verbindung auch genutzt wird."),
        )
        .within(Part::Timing),
        field(
            "replicas",
            words("Read replicas", "Lese-Replikate"),
            words(
                "`host` or `host:port`, with commas between them. History is read there; the server itself answers where they lag.",
                "`host` oder `host:port`, durch Kommas getrennt. Der Verlauf wird dort gelesen; wo sie nachhängen, antwortet der Server selbst.",
            ),
        )
        .within(Part::Replicas),
        field(
            "schema",
            words("Schema", "Schema"),
            words("Where the tables are; made where it is missing.", "Wo die Tabellen sind; wird angelegt, wenn es fehlt."),
        )
        .within(Part::Advanced),
        field(
            "applicationName",
            words("Application name", "Anwendungsname"),
            words("What the server's lists show the connections as.", "Als was die Listen des Servers die Verbindungen zeigen."),
        )
        .within(Part::Advanced),
        field(
            "enableTimescale",
            Words::name("TimescaleDB"),
            words("Has no effect.", "Hat keine Wirkung."),
        )
        .within(Part::Nowhere),
    ],
};

/// `postgres://user:password@host:port/database?sslmode=…&sslrootcert=…`, as libpq and most programs write it.
pub(super) fn take_apart(text: &str) -> Option<TakenApart> {
    let text = text.trim();
    let address = Address::read(text.strip_prefix("jdbc:").unwrap_or(text))?;
    if !matches!(address.scheme.as_str(), "postgres" | "postgresql") {
        return None;
    }
    let said = |key: &str| address.said(key).map(str::to_owned);
    let host = Some(address.host.clone()).filter(|host| !host.is_empty());
    let database = decoded(address.path.trim_start_matches('/'))?;
    let all = [
        ("host", said("host").or(host)),
        ("port", said("port").or(address.port.map(|port| port.to_string()))),
        ("database", said("dbname").or(Some(database).filter(|name| !name.is_empty()))),
        ("user", said("user").or(address.user.clone())),
        ("password", said("password").or(address.password.clone())),
        ("sslmode", said("sslmode").or(said("ssl").filter(|ssl| ssl == "true").map(|_| "require".to_owned()))),
        ("caFile", said("sslrootcert").filter(|file| file != "system")),
        ("applicationName", said("application_name").or(said("ApplicationName"))),
        ("schema", said("currentSchema")),
    ];
    Some(all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gives_the_fields() {
        let taken = |text: &str| {
            take_apart(text).map(|all| all.into_iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>())
        };
        let expected =
            ["host=db.lan", "port=5433", "database=my db", "user=me@x", "password=a/b", "sslmode=verify-full"];
        let text = "postgresql://me%40x:a%2Fb@db.lan:5433/my%20db?sslmode=verify-full";
        assert_eq!(taken(text).expect("an address"), expected);
        assert_eq!(
            taken("jdbc:postgresql://h/d?user=u&ssl=true").expect("jdbc"),
            ["host=h", "database=d", "user=u", "sslmode=require"]
        );
        assert_eq!(
            taken("postgres:///d?host=/run/postgresql").expect("a socket"),
            ["host=/run/postgresql", "database=d"]
        );
        for other in ["http://h/d", "localhost", "postgres://a,b/d", ""] {
            assert_eq!(taken(other), None, "{other}");
        }
    }
}
