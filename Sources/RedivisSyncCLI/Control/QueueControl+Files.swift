import SQLiteQueue
import SyncCore

// Which files the paths of a command mean.

extension QueueControl {
    static let outside = "lies in no mapped folder"
    /// Versions are read for so many paths at a time.
    private static let page = 500

    /// The files that a path means.
    struct NamedFiles {
        var files: [MappedPath] = []
        /// Why there is none.
        var refusal = ""
    }

    func places(of path: ControlPath) -> [MappedPath] {
        MappedPath.all(ofAbsolute: path.absolute.bytes, in: configuration())
    }

    /// The file at the path. Where there is none now: the files below it that the queue knows, else the file that was
    /// there once.
    func files(namedBy path: ControlPath) async throws(Failure) -> NamedFiles {
        var named = NamedFiles(refusal: Self.outside)
        for place in places(of: path) {
            let isKnown = try await isKnown(place)
            switch await kind(of: place) {
            case .file:
                if isKnown || rule(against: place) == nil { named.files.append(place) }
                named.refusal = rule(against: place).map { "is left out already (\($0))" } ?? ""
            case .noFile(let why):
                let below = try await filesBelow([place])
                named.files += below.isEmpty && isKnown ? [place] : below
                named.refusal = why
            }
        }
        return named
    }

    /// The files below these paths that the queue knows, those that settle included.
    func filesBelow(_ places: [MappedPath]) async throws(Failure) -> [MappedPath] {
        var found: [MappedPath] = []
        for place in places {
            var last: RelativePath?
            while !Task.isCancelled {
                let paths = try await queue.reader.files(
                    below: place.path, mapping: place.mapping.id, after: last, limit: Self.page)
                found += paths.map { MappedPath(mapping: place.mapping, path: $0) }
                last = paths.last
                guard paths.count == Self.page else { break }
            }
        }
        return found
    }

    func versions(at places: [MappedPath]) async throws(Failure) -> [Delivery] {
        var versions: [Delivery] = []
        for place in places {
            versions += try await queue.reader.deliveries(at: place.path, mapping: place.mapping.id)
        }
        return versions
    }

    /// Without those that the intake would not admit: what was forgotten and is not a file now, or is left out by a rule.
    func admitted(_ deliveries: [Delivery], _ outcome: inout ControlOutcome) async throws(Failure) -> [Delivery] {
        var admitted: [Delivery] = []
        for delivery in deliveries {
            if let why = await refusal(of: delivery) {
                outcome.refuse("\(delivery.path): \(why)")
            } else {
                admitted.append(delivery)
            }
        }
        return admitted
    }

    private func refusal(of delivery: Delivery) async -> String? {
        guard case .abandoned(.forgotten) = delivery.state,
            let mapping = configuration().mapping(delivery.mapping)
        else { return nil }
        let place = MappedPath(mapping: mapping, path: delivery.path)
        if let rule = rule(against: place) { return "is left out by the mapping file (\(rule))" }
        switch await kind(of: place) {
        case .file: return nil
        case .noFile(let why): return why
        }
    }

    // MARK: What is at a path

    private enum PathKind {
        case file
        case noFile(String)
    }

    private func kind(of place: MappedPath) async -> PathKind {
        do throws(Failure) {
            guard try await sources.look(at: place.path, in: place.mapping.folder) == nil else { return .file }
            return .noFile(
                "is not a file, and the queue has no files below it; to leave out a folder, add it to `exclude` in the "
                    + "mapping file")
        } catch {
            return .noFile(error.description)
        }
    }

    /// Whether a file was ever seen there, or is seen just now.
    private func isKnown(_ place: MappedPath) async throws(Failure) -> Bool {
        if try await queue.reader.settling(at: place.path, mapping: place.mapping.id) != nil { return true }
        return try await versions(at: [place]).contains { $0.observation.inode != 0 }
    }

    /// The rule by which its mapping does not take a file of this name.
    private func rule(against place: MappedPath) -> String? {
        let configuration = configuration()
        // Sizes are judged when the file settles.
        switch configuration.route(of: place.path, in: place.mapping, size: max(place.mapping.minimumSize, 1)) {
        case .deliver(place.mapping.id): return nil
        case .deliver(let other): return "the mapping \(other) takes it"
        case .ignored(let rule): return place.mapping.patternRule(against: place.path) == nil ? nil : rule
        case .unmapped: return Self.outside
        }
    }
}
