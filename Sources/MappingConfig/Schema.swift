/// One key of the mapping file. This table is the only place that knows which keys there are: validation, messages
/// and the tests of docs/mapping-file.md read it.
public struct SchemaKey: Hashable, Sendable {
    /// Where a key stands.
    public enum Scope: String, CaseIterable, Sendable {
        /// At the top of the file.
        case file
        /// Under a mapping, or under `defaults`.
        case mapping
        /// Under `format`.
        case format
    }

    /// How much of a key this version acts on.
    public enum Support: Hashable, Sendable {
        case works
        /// Accepts its default only.
        case defaultOnly
        /// Accepts these values only.
        case values([String])
    }

    public let name: String
    public let scope: Scope
    /// As it is written in the file; `nil` where the key must be there.
    public let defaultText: String?
    /// One sentence for users.
    public let meaning: String
    public let support: Support
    let kind: ValueKind

    var allowsNull: Bool { defaultText == "null" }
}

/// What a value may be.
enum ValueKind: Hashable, Sendable {
    case version
    /// The API's base address.
    case api
    /// A file or directory, relative to the mapping file.
    case path
    /// An absolute directory.
    case folder
    case count(ClosedRange<Int64>)
    case size
    /// Of what is held in memory whole.
    case inlineSize
    case chunkSize
    case duration(orOff: Bool)
    case requestRate
    case bandwidth
    case choice([String])
    case flag
    case patterns
    case hosts
    case listener
    case webAddress
    case table
    case uploadName
    case marker
    case format
    case createTable
    case release
    case afterDelivery
    case window
    /// The blocks that hold mappings' keys.
    case defaults
    case mappings
    case formatType
    /// One character.
    case character
    case texts
}

public enum Schema {
    public static let keys: [SchemaKey] = file + mapping + format

    public static func keys(in scope: SchemaKey.Scope) -> [SchemaKey] {
        switch scope {
        case .file: file
        case .mapping: mapping
        case .format: format
        }
    }

    private static func key(
        _ name: String, _ scope: SchemaKey.Scope, _ kind: ValueKind, _ defaultText: String?, _ meaning: String
    ) -> SchemaKey {
        key(name, scope, kind, defaultText, .works, meaning)
    }

    private static func key(
        _ name: String, _ scope: SchemaKey.Scope, _ kind: ValueKind, _ defaultText: String?,
        _ support: SchemaKey.Support, _ meaning: String
    ) -> SchemaKey {
        SchemaKey(name: name, scope: scope, defaultText: defaultText, meaning: meaning, support: support, kind: kind)
    }

    private static let file: [SchemaKey] = [
        key("version", .file, .version, "1", "The version of this format."),
        key(
            "api", .file, .api, "https://redivis.com/api/v1",
            "The API's address; `http://` only for a loopback address."),
        key(
            "token_file", .file, .path, "null",
            "The file with the token, relative to this file; it must be there. `null`: `$REDIVIS_API_TOKEN`, else the "
                + "systemd credential `redivis-token`, else `token` beside this file."),
        key(
            "state_directory", .file, .path, "null",
            "Where the agent keeps its database and receipts. `null`: `$STATE_DIRECTORY`, else "
                + "`$XDG_STATE_HOME/redivis-sync`, or `/var/lib/redivis-sync` for root."),
        key(
            "uploads", .file, .count(1...256), "4",
            "Files whose bytes are sent at once; imports being waited for do not count. Files of up to 1 MiB get ready "
                + "behind those that are sent."),
        key(
            "chunk_size", .file, .chunkSize, "64MiB",
            "A multiple of 256KiB: the most that is sent before the offset is confirmed and recorded. "
                + "Shrinks by itself where such chunks never get through, and grows back."),
        key(
            "api_rate", .file, .requestRate, "auto",
            "API requests: paced by what Redivis tells, leaving a fifth to others, or at most so many, as in `300/min`."
        ),
        key(
            "bandwidth", .file, .bandwidth, "unlimited", .defaultOnly,
            "The most that is sent in a second, as in `20MB/s`, or a timetable."),
        key(
            "rescan", .file, .duration(orOff: true), "1h",
            "How often everything is scanned again, or `off`."),
        key(
            "registration_doubt", .file, .duration(orOff: false), "2m",
            "How long Redivis may still carry out a request whose answer was lost; until then it is not posted again."),
        key(
            "inline_limit", .file, .inlineSize, "1MiB",
            "Files of up to this size go inside the registration request, in one request in place of three; `0` turns "
                + "that off. At most 16MiB: such files are held in memory."),
        key(
            "confirm_above", .file, .count(0...1_000_000_000), "null",
            "A live edit that would send more files than this waits for `plan --accept`."),
        key("status_page", .file, .listener, "off", .defaultOnly, "The local web page, as in `127.0.0.1:8384`."),
        key(
            "send_token_to", .file, .hosts, "[]",
            "Hosts beside the API's own that may see the token, each as `host` or `host:port`."),
        key("ca_file", .file, .path, "null", "Extra certificate authorities in PEM form, relative to this file."),
        key(
            "webhook", .file, .webAddress, "null", .defaultOnly,
            "An address that is POSTed to when something is parked, held, blocked or stalls."),
        key(
            "defaults", .file, .defaults, "{}", "Any key of a mapping, for all mappings that do not say it themselves."),
        key("mappings", .file, .mappings, nil, "The mappings, each under its id of letters, digits, `-` and `_`."),
    ]

    private static let mapping: [SchemaKey] = [
        key("folder", .mapping, .folder, nil, "The folder that is watched; absolute."),
        key("table", .mapping, .table, nil, "The table that its files go to, as `owner.dataset[:id].table[:id]`."),
        key(
            "token_file", .mapping, .path, "null",
            "Where this table needs another token: its file, relative to this file; it must be there."),
        key(
            "kind", .mapping, .choice(["rows", "files"]), "rows", .values(["rows"]),
            "`rows`: an upload for each file; `files`: raw files of a file-index table."),
        key("recursive", .mapping, .flag, "true", "Whether folders within the folder belong to it."),
        key("include", .mapping, .patterns, #"["**"]"#, "Patterns of which a file must match one."),
        key("exclude", .mapping, .patterns, "[]", "Patterns of which it must match none, on top of the built-in list."),
        key("minimum_size", .mapping, .size, "0", "Smaller files are ignored."),
        key("maximum_size", .mapping, .size, "null", "Larger files are ignored."),
        key("empty_files", .mapping, .choice(["skip", "register"]), "skip", "What to do with files of 0 bytes."),
        key(
            "existing", .mapping, .choice(["auto", "upload", "skip", "hold"]), "auto",
            "What to do with files that were there when the mapping was first loaded."),
        key(
            "settle", .mapping, .duration(orOff: false), "30s",
            "How long a file must be unchanged before it is sent."),
        key(
            "open_writers", .mapping, .choice(["wait", "ignore"]), "wait",
            "Whether to wait while anybody has the file open for writing."),
        key(
            "ready_marker", .mapping, .marker, "null",
            #"A file that must be there and newer before another is sent, as in `"{name}.done"`."#),
        key(
            "watch", .mapping, .choice(["auto", "events", "poll"]), "auto",
            "How new files are noticed."),
        key(
            "poll", .mapping, .duration(orOff: false), "60s",
            "How often to look where events are not to be had."),
        key(
            "upload_name", .mapping, .uploadName, #""{path}""#,
            "The upload's name; also `{name}` `{stem}` `{extension}` `{mapping}` `{host}`. A tag is always added."),
        key("format", .mapping, .format, "{}", "How Redivis shall read the files; see below."),
        key(
            "verify", .mapping, .choice(["md5", "size"]), "md5",
            "What must agree with Redivis before a file counts as delivered."),
        key(
            "endpoint", .mapping, .choice(["auto", "resumable_upload", "temp_uploads"]), "auto",
            "Which of the API's two ways opens an upload."),
        key("create_version", .mapping, .flag, "true", "Whether to open the next version where none is open."),
        key(
            "create_table", .mapping, .createTable, "false", .defaultOnly,
            "Whether to make the table where it is missing, as in `{merge_strategy: append, description: …}`."),
        key(
            "release", .mapping, .release, "never", .defaultOnly,
            "When to release the version: `never`, `when_idle` or a time of day."),
        key(
            "on_change", .mapping, .choice(["hold", "add", "replace", "ignore"]), "hold", .values(["hold", "ignore"]),
            "What to do when a delivered file changes."),
        key(
            "after_delivery", .mapping, .afterDelivery, "keep", .defaultOnly,
            "What becomes of a delivered file: `keep`, `{move: /data/done}` or `{delete_after: 7d}`."),
        key(
            "upload_while_growing", .mapping, .flag, "false", .defaultOnly,
            "Whether to send what a file holds while it still grows."),
        key("priority", .mapping, .count(-1000...1000), "0", .defaultOnly, "Mappings with more go first."),
        key("window", .mapping, .window, "always", .defaultOnly, #"When to send, as in `"20:00-06:00"`."#),
        key("paused", .mapping, .flag, "false", "Whether new transfers of this mapping wait."),
    ]

    private static let format: [SchemaKey] = [
        key(
            "type", .format, .formatType, "null",
            "What the files are, such as `delimited` or `parquet`; `null`: by their ending."),
        key(
            "delimiter", .format, .character, "null",
            #"What stands between cells, such as `","` or `"\t"`; `null`: Redivis guesses."#),
        key(
            "header_row", .format, .flag, "null",
            "Whether the first row has the names of the variables; `null`: it has."),
        key(
            "quote_character", .format, .character, "null", "What stands around quoted cells; `null`: Redivis guesses."),
        key("escape_character", .format, .character, "null", "What stands before a quote within a cell."),
        key("quoted_newlines", .format, .flag, "null", "Whether quoted cells hold line breaks; `null`: Redivis looks."),
        key("jagged_rows", .format, .flag, "null", "Whether rows may be shorter than the first; `null`: they may not."),
        key(
            "skip_bad_records", .format, .flag, "null",
            "Whether rows that cannot be read are left out; `null`: they end the import."),
        key("null_markers", .format, .texts, "null", "Texts that stand for a missing value."),
    ]

    /// What other programs and the API call our keys.
    static let otherNames: [String: String] = [
        "path": "folder", "dir": "folder", "directory": "folder", "source": "folder", "watch_folder": "folder",
        "destination": "table", "target": "table", "dataset": "table", "reference": "table",
        "pattern": "include", "patterns": "include", "glob": "include", "filter": "include", "ignore": "exclude",
        "name": "upload_name", "state": "state_directory", "state_dir": "state_directory", "ca": "ca_file",
        "api_url": "api", "endpoint_url": "api", "url": "api", "concurrency": "uploads", "parallel": "uploads",
        "mapping": "mappings", "folders": "mappings", "min_size": "minimum_size", "max_size": "maximum_size",
        "delay": "settle", "quiet": "settle", "format_type": "type", "separator": "delimiter", "header": "header_row",
        "hasHeaderRow": "header_row", "has_header_row": "header_row", "quoteCharacter": "quote_character",
        "escapeCharacter": "escape_character", "hasQuotedNewlines": "quoted_newlines",
        "has_quoted_newlines": "quoted_newlines", "allowJaggedRows": "jagged_rows", "allow_jagged_rows": "jagged_rows",
        "skipBadRecords": "skip_bad_records", "nullMarkers": "null_markers", "on_conflict": "on_change",
    ]

    /// `type` of an upload (api.md 7.2). `stream` takes rows, not files.
    static let formatTypes = [
        "delimited", "avro", "ndjson", "parquet", "orc", "xls", "xlsx", "dta", "sas7bdat", "sav", "geojson", "geojsonl",
        "json", "shp", "shp.zip", "kml",
    ]
}
