import SyncCore
import SystemPackage

/// The mapping file of a simulated agent, of the settings in its script.
enum WorldConfiguration {
    static let api = "https://redivis.test/api/v1"
    static let mapping = MappingID("data")
    /// The way to the folder leads over a link.
    static let folder = "/srv/current/data"

    static let tables: [(key: TableKey, spellings: [String: String])] = [
        (TableKey("demo.set:ab12.readings:9xyz"), ["1": "demo.set.readings", "1b": "demo.set:ab12.readings:9xyz"]),
        (TableKey("demo.set:ab12.other:8abc"), ["2": "demo.set.other", "2b": "demo.set:ab12.other:8abc"]),
    ]

    /// A table by the short name that scripts have for one of its spellings; the first one where there is none.
    static func reference(_ short: String) -> TableReference {
        parsed(tables.compactMap { $0.spellings[short] }.first ?? "demo.set.readings")
    }

    static func parsed(_ text: String) -> TableReference {
        (try? TableReference(parsing: text))
            ?? TableReference(
                owner: "demo", dataset: .init(name: "set", id: nil), table: .init(name: "readings", id: nil))
    }

    static func make(_ settings: Settings) -> Configuration {
        var agent = AgentSettings(
            api: api, uploads: settings.int("uploads", 4), chunkSize: 4 * Cells.size,
            registrationDoubt: .seconds(settings.int("doubt", 20)),
            rescan: settings["rescan"] == "off" ? nil : .seconds(settings.int("rescan", 3600)))
        agent.inlineLimit = Int64(settings.int("inline", 2)) * Cells.size
        guard let mapping, settings["mapping"] != "none" else { return Configuration(settings: agent, mappings: []) }
        let existing = settings["existing"].flatMap(ExistingFiles.init(rawValue:)) ?? .auto
        let watch = settings["watch"].flatMap(WatchPreference.init(rawValue:)) ?? .auto
        let exclude = settings["exclude"].flatMap { try? PathPattern(parsing: $0) }
        return Configuration(
            settings: agent,
            mappings: [
                Mapping(
                    id: mapping, folder: FilePath(folder), table: reference(settings["table"] ?? "1"), include: ["**"],
                    exclude: exclude.map { [$0] } ?? [], existing: existing,
                    settle: SettlePolicy(
                        quiet: .milliseconds(settings.int("settle", 1000)),
                        waitsForWriters: settings.flag("writers", true)),
                    uploadName: UploadNameTemplate.path, onChange: .hold, watch: watch,
                    poll: .seconds(settings.int("poll", 20)), isPaused: settings.flag("paused", false))
            ])
    }
}

extension UploadNameTemplate {
    static let path: UploadNameTemplate = {
        guard let template = try? UploadNameTemplate(parsing: "{path}") else { fatalError("{path} is a template") }
        return template
    }()
}
