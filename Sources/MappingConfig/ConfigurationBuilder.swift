import SyncCore
import SystemPackage
import Yams

/// Makes a configuration of the nodes of a mapping file, with where each mapping's folder stands.
struct ConfigurationBuilder {
    private var reader: NodeReader
    private let exists: (FilePath) -> Bool

    /// - Parameters:
    ///   - directory: of the mapping file; absolute.
    ///   - exists: asked for the files that the mapping file names.
    init(directory: FilePath, exists: @escaping (FilePath) -> Bool) {
        reader = NodeReader(directory: directory)
        self.exists = exists
    }

    typealias Built = (configuration: Configuration, folders: [MappingID: SourcePosition])

    mutating func build(_ root: Node) throws(MappingFindings) -> Built {
        let (settings, blocks) = readFile(root)
        let mappings = blocks.compactMap { mapping($0) }
        check(tokensOf: mappings.map(\.value), blocks)
        let configuration = Configuration(settings: agentSettings(settings), mappings: mappings.map(\.value))
        guard reader.findings.isEmpty else { throw MappingFindings(reader.findings) }
        let folders = mappings.map { ($0.value.id, $0.position) }
        return (configuration, Dictionary(folders) { first, _ in first })
    }

    // MARK: The file

    private typealias NamedBlock = (id: Placed<String>, block: Block)

    private mutating func readFile(_ root: Node) -> (settings: Block, mappings: [NamedBlock]) {
        guard case .mapping(let mapping) = root else {
            reader.report(root.position, "the file holds no keys", instead: "begin it with `mappings:`")
            return ([:], [])
        }
        // The two keys that hold blocks of another scope are read apart; the others like any block.
        let isBlock = { (node: Node) in ["defaults", "mappings"].contains(node.scalar?.string) }
        let plain = Node.Mapping(
            mapping.filter { !isBlock($0.key) }.map { ($0.key, $0.value) }, .implicit, .any, mapping.mark)
        let settings = reader.block(.mapping(plain), scope: .file, what: "the file")
        var defaults: Block = [:]
        if let node = mapping.first(where: { $0.key.scalar?.string == "defaults" })?.value, !node.isNull {
            defaults = reader.block(node, scope: .mapping, what: "defaults")
        }
        guard let node = mapping.first(where: { $0.key.scalar?.string == "mappings" })?.value else {
            reader.report(root.position, "`mappings` is missing", instead: "write `mappings:` and a mapping below it")
            return (settings, [])
        }
        return (settings, namedBlocks(node, defaults: defaults))
    }

    private mutating func namedBlocks(_ node: Node, defaults: Block) -> [NamedBlock] {
        if case .sequence = node {
            reader.report(
                node.position, "`mappings` is a list, and each mapping needs an id",
                instead: "write `weather:` with the keys below it in place of `- `")
            return []
        }
        if case .mapping(let mapping) = node, !mapping.isEmpty {
            return (reader.pairs(of: node, what: "mappings") ?? []).compactMap { id, node in
                namedBlock(id, node, defaults: defaults)
            }
        }
        reader.report(
            node.position, "`mappings` has no mapping", instead: "write an id with `folder` and `table` below it")
        return []
    }

    private mutating func namedBlock(_ id: Placed<String>, _ node: Node, defaults: Block) -> NamedBlock? {
        if case .mapping = node {
            let own = reader.block(node, scope: .mapping, what: id.value)
            return (id, defaults.merging(own) { _, own in own })
        }
        if node.isNull, !defaults.isEmpty, node.scalar?.string.isEmpty == true { return (id, defaults) }
        if Schema.keys(in: .mapping).contains(where: { $0.name == id.value }) {
            reader.report(
                id.position, "`\(id.value)` stands where the ids of mappings stand",
                instead: "indent it below its mapping's id")
        } else {
            reader.report(
                node.position, "the mapping `\(id.value)` has no keys",
                instead: "write `folder` and `table` below it, indented by two blanks more")
        }
        return nil
    }

    private mutating func agentSettings(_ block: Block) -> AgentSettings {
        var settings = AgentSettings()
        if let api = text("api", block, .file) { settings.api = api }
        settings.tokenFile = path("token_file", block, .file)
        settings.stateDirectory = path("state_directory", block, .file)
        if let uploads = number("uploads", block, .file) { settings.uploads = Int(clamping: uploads) }
        if let size = number("chunk_size", block, .file) { settings.chunkSize = size }
        if let limit = number("inline_limit", block, .file) { settings.inlineLimit = limit }
        if let interval = duration("api_rate", block, .file) { settings.apiRate = .every(interval) }
        if let doubt = duration("registration_doubt", block, .file) { settings.registrationDoubt = doubt }
        if case .texts(let hosts) = value("send_token_to", block, .file) { settings.sendTokenTo = hosts }
        settings.certificateAuthorities = path("ca_file", block, .file)
        settings.rescan = duration("rescan", block, .file)
        settings.confirmAbove = number("confirm_above", block, .file).map { Int(clamping: $0) }
        for name in ["token_file", "ca_file"] {
            guard case .path(let path) = block[name]?.value, let position = block[name]?.position, !exists(path) else {
                continue
            }
            reader.report(
                position, "`\(name)`: there is no file \(shown(path))",
                instead: "name a file that is there, from the root or from this file's folder")
        }
        return settings
    }

    /// The token goes with the table: two for one would be used by turns.
    private mutating func check(tokensOf mappings: [SyncCore.Mapping], _ blocks: [NamedBlock]) {
        let blocks = Dictionary(blocks.map { ($0.id.value, $0.block) }) { first, _ in first }
        var reported: Set<SourcePosition> = []
        var byName: [String: [SyncCore.Mapping]] = [:]
        for mapping in mappings {
            let block = blocks[mapping.id.value] ?? [:]
            if let file = mapping.tokenFile, let position = block["token_file"]?.position, !exists(file),
                reported.insert(position).inserted
            {
                reader.report(
                    position, "`token_file`: there is no file \(shown(file))",
                    instead: "name a file that is there, from the root or from this file's folder")
            }
            let others = byName[mapping.table.looseName, default: []]
            if let position = (block["token_file"] ?? block["table"])?.position,
                let other = others.first(where: {
                    $0.table.mayBeSame(as: mapping.table) && $0.tokenFile != mapping.tokenFile
                })
            {
                reader.report(
                    position,
                    "the mappings `\(other.id)` and `\(mapping.id)` send to one table with different tokens, and a "
                        + "token goes with its table",
                    instead: "write the same `token_file` in both")
            }
            byName[mapping.table.looseName] = others + [mapping]
        }
    }

    private func shown(_ path: FilePath) -> String {
        path.lastComponent.map { Redaction.shown($0.string) == $0.string ? path.string : Redaction.shown($0.string) }
            ?? "/"
    }

    // MARK: A mapping

    private mutating func mapping(_ named: NamedBlock) -> Placed<SyncCore.Mapping>? {
        let block = named.block
        guard let id = MappingID(named.id.value), named.id.value.utf8.count <= 64 else {
            let plain = String(
                named.id.value.prefix(64).map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") ? $0 : "_" })
            reader.report(
                named.id.position,
                "`\(named.id.value)` is no id: it has up to 64 letters (a to z), digits, `-` and `_`",
                instead: "write \(plain.isEmpty ? "an id" : plain)")
            return nil
        }
        reportMissing(named)
        check(sizesOf: block)
        guard let folder = path("folder", block, .mapping), let position = block["folder"]?.position,
            case .table(let table) = value("table", block, .mapping)
        else { return nil }
        check(patternsOf: block, folder: folder)
        return Placed(value: assemble(id, folder, table, block), position: position)
    }

    private func assemble(
        _ id: MappingID, _ folder: FilePath, _ table: TableReference, _ block: Block
    ) -> SyncCore.Mapping {
        var uploadName: UploadNameTemplate = "{path}"
        if case .uploadName(let template) = value("upload_name", block, .mapping) { uploadName = template }
        var format = UploadFormat()
        if case .format(let read) = value("format", block, .mapping) { format = read }
        return SyncCore.Mapping(
            id: id, folder: folder, table: table, recursive: flag("recursive", block) ?? true,
            include: patterns("include", block), exclude: patterns("exclude", block),
            minimumSize: number("minimum_size", block, .mapping) ?? 0,
            maximumSize: number("maximum_size", block, .mapping),
            emptyFiles: choice("empty_files", block) ?? .skip, existing: choice("existing", block) ?? .auto,
            settle: SettlePolicy(
                quiet: duration("settle", block, .mapping) ?? .seconds(30),
                waitsForWriters: text("open_writers", block, .mapping) != "ignore"),
            uploadName: uploadName, format: format, verification: choice("verify", block) ?? .md5,
            endpoint: (choice("endpoint", block) as Endpoint?).map { .fixed($0) } ?? .auto,
            createsVersion: flag("create_version", block) ?? true, onChange: choice("on_change", block) ?? .hold,
            watch: choice("watch", block) ?? .auto, poll: duration("poll", block, .mapping) ?? .seconds(60),
            readyMarker: text("ready_marker", block, .mapping).flatMap { ReadyMarker($0) },
            isPaused: flag("paused", block) ?? false, tokenFile: path("token_file", block, .mapping))
    }

    private mutating func reportMissing(_ named: NamedBlock) {
        for key in Schema.keys(in: .mapping) where key.defaultText == nil && named.block[key.name] == nil {
            let example = key.name == "folder" ? "/data/weather" : "owner.dataset.table"
            reader.report(
                named.id.position, "the mapping `\(named.id.value)` has no `\(key.name)`",
                instead: "write `\(key.name): \(example)` below it")
        }
    }

    private mutating func check(sizesOf block: Block) {
        guard let minimum = number("minimum_size", block, .mapping),
            let maximum = number("maximum_size", block, .mapping),
            minimum > maximum, let position = (block["maximum_size"] ?? block["minimum_size"])?.position
        else { return }
        reader.report(
            position, "`maximum_size` is less than `minimum_size`, so no file is taken",
            instead: "write at least \(ByteSize.text(minimum))")
    }

    private mutating func check(patternsOf block: Block, folder: FilePath) {
        let front = folder.string == "/" ? "/" : folder.string + "/"
        for name in ["include", "exclude"] {
            guard case .patterns(let patterns) = block[name]?.value, let position = block[name]?.position else {
                continue
            }
            for pattern in patterns where front != "/" && pattern.text.hasPrefix(front) {
                reader.report(
                    position,
                    "`\(name)`: `\(pattern)` begins with the folder, and patterns are held against what comes after it",
                    instead: "write \"/\(pattern.text.dropFirst(front.count))\"")
            }
        }
    }

    // MARK: Values

    private func value(_ name: String, _ block: Block, _ scope: SchemaKey.Scope) -> SettingValue? {
        block[name]?.value ?? NodeReader.defaults[scope]?[name]
    }

    private func text(_ name: String, _ block: Block, _ scope: SchemaKey.Scope) -> String? {
        if case .text(let text) = value(name, block, scope) { text } else { nil }
    }

    private func number(_ name: String, _ block: Block, _ scope: SchemaKey.Scope) -> Int64? {
        if case .number(let number) = value(name, block, scope) { number } else { nil }
    }

    private func duration(_ name: String, _ block: Block, _ scope: SchemaKey.Scope) -> Duration? {
        if case .duration(let duration) = value(name, block, scope) { duration } else { nil }
    }

    private func path(_ name: String, _ block: Block, _ scope: SchemaKey.Scope) -> FilePath? {
        if case .path(let path) = value(name, block, scope) { path } else { nil }
    }

    private func flag(_ name: String, _ block: Block) -> Bool? {
        if case .flag(let flag) = value(name, block, .mapping) { flag } else { nil }
    }

    private func patterns(_ name: String, _ block: Block) -> [PathPattern] {
        if case .patterns(let patterns) = value(name, block, .mapping) { patterns } else { [] }
    }

    private func choice<Choice: RawRepresentable<String>>(_ name: String, _ block: Block) -> Choice? {
        text(name, block, .mapping).flatMap { Choice(rawValue: $0) }
    }
}

/// All that one pass found.
struct MappingFindings: Error {
    let findings: [Finding]

    init(_ findings: [Finding]) { self.findings = findings }
}
