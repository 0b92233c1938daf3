import FolderWatch
import LocalFiles
import SQLiteQueue
import SyncCore
import SystemPackage

/// What an edited mapping file would send that the one in force does not (`confirm_above`), counted as `plan` counts:
/// no content is read, and Redivis is not asked, so that it is the most that it can be of what lies there now.
struct EditCount: Hashable, Sendable {
    fileprivate(set) var count = FileCount()
    /// Folders that could not be looked through.
    fileprivate(set) var problems: [String] = []

    /// Of the one in force and the edited one the smaller; `nil` where neither has one. So the edit that lifts the
    /// limit cannot carry through what the limit is there for.
    static func limit(of before: Configuration, and after: Configuration) -> Int? {
        [before.settings.confirmAbove, after.settings.confirmAbove].compactMap { $0 }.min()
    }
}

struct EditCounter: Sendable {
    let before: Configuration
    let after: Configuration
    /// `nil` where nothing was ever run.
    let reader: QueueReader?

    /// One for all counts: it remembers which folders do not answer.
    private static let sources = LocalSourceReader()

    /// The mappings that may take what nobody took before. Whose a file is follows from all mappings whose folders lie
    /// in one another, so that one that stayed as it was may get the files of one that went.
    var gaining: [Mapping] {
        after.mappings.filter { mapping in
            !mapping.isPaused && before.rules(around: mapping) != after.rules(around: mapping)
        }
    }

    /// - Parameter progress: told after each piece of a folder; the count so far.
    /// - Throws: a `Failure` of kind `stateUnavailable`, and `CancellationError`.
    func count(_ progress: @Sendable @escaping (EditCount) async -> Void) async throws -> EditCount {
        let tally = Tally()
        for mapping in gaining {
            try Task.checkCancellation()
            try await count(mapping, tally, progress)
        }
        return await tally.found
    }

    private actor Tally {
        var found = EditCount()

        func add(_ count: FileCount) { found.count += count }
        func note(_ problem: String) { found.problems.append(problem) }
    }

    private func count(
        _ mapping: Mapping, _ tally: Tally, _ progress: @Sendable @escaping (EditCount) async -> Void
    ) async throws {
        let existingIsOpen = try await !(reader?.knowsExistingFiles(of: mapping.id) ?? false)
        // Only what is looked for in the same folder was taken before; a mapping that was paused sent nothing.
        let old = before.mapping(mapping.id).flatMap { old in
            !old.isPaused && old.folder == mapping.folder ? old : nil
        }
        if before.mapping(mapping.id)?.isPaused ?? true, let reader {
            await tally.add(try await reader.unsent(of: mapping.id))
        }
        if let failure = await Self.sources.problem(with: mapping.folder) {
            return await tally.note("\(mapping.id): \(failure.summary)".printable)
        }
        do {
            // Places that cannot be looked into hold nothing that could be sent.
            _ = try await Setup.scanner(comparing: reader).scan(
                mapping.folder, recursive: mapping.recursive, batchSize: 512,
                skipsDirectory: { after.directoryIsExcluded($0, in: mapping) },
                handle: { batch in
                    await tally.add(try await gained(batch, mapping, old, existingIsOpen))
                    await progress(await tally.found)
                })
        } catch let failure as Failure where failure.kind != .stateUnavailable {
            await tally.note("\(mapping.id): \(failure.summary)".printable)
        }
    }

    private func gained(
        _ batch: [SeenFile], _ mapping: Mapping, _ old: Mapping?, _ existingIsOpen: Bool
    ) async throws(Failure) -> FileCount {
        let ours = batch.filter {
            after.route(of: $0.path, in: mapping, size: $0.observation.size) == .deliver(mapping.id)
        }
        let known = try await reader?.familiarity(of: ours, in: mapping.id) ?? ours.map { _ in .new }
        var count = FileCount()
        for (file, familiarity) in zip(ours, known) {
            let size = file.observation.size
            switch familiarity {
            case .known, .forgotten: continue
            case .changed(let table):
                // In the same place it is seen and judged already; elsewhere it is another file at the same path.
                if old == nil, table != mapping.table { count.add(size) }
            case .leftOut(let rule, let wasThereBefore):
                if mapping.sends(leftOutBy: rule, wasThereBefore: wasThereBefore) { count.add(size) }
            case .new, .settling:
                guard mapping.sendsNew(existingIsOpen: existingIsOpen) else { continue }
                let wasSent = old.map { old in
                    before.route(of: file.path, in: old, size: size) == .deliver(old.id)
                        && old.sendsNew(existingIsOpen: existingIsOpen)
                        && (old.readyMarker == nil || old.readyMarker == mapping.readyMarker)
                }
                if wasSent != true { count.add(size) }
            }
        }
        return count
    }
}

extension Mapping {
    /// What `existing` keeps back is not sent; what `auto` judges may be.
    func sendsNew(existingIsOpen: Bool) -> Bool {
        switch (existingIsOpen, existing) {
        case (false, _), (true, .auto), (true, .upload): true
        case (true, .skip), (true, .hold): false
        }
    }

    /// Whether a file that was ignored, and that the patterns and sizes give to this mapping, is sent.
    func sends(leftOutBy rule: String, wasThereBefore: Bool) -> Bool {
        rule != "on_change: \(ChangePolicy.ignore.rawValue)" && sendsNew(existingIsOpen: wasThereBefore)
    }

    /// Everything that decides which files it takes, and whether it sends them.
    fileprivate struct Rules: Hashable {
        let id: MappingID
        let folder: [UInt8]
        let recursive: Bool
        let patterns: [[PathPattern]]
        let sizes: [Int64?]
        let emptyFiles: EmptyFiles
        let existing: ExistingFiles
        let readyMarker: ReadyMarker?
        let isPaused: Bool

        init(_ mapping: Mapping) {
            id = mapping.id
            folder = mapping.folder.bytes
            recursive = mapping.recursive
            patterns = [mapping.include, mapping.exclude]
            sizes = [mapping.minimumSize, mapping.maximumSize]
            emptyFiles = mapping.emptyFiles
            existing = mapping.existing
            readyMarker = mapping.readyMarker
            isPaused = mapping.isPaused
        }
    }
}

extension Configuration {
    /// In the order of the file, which decides too.
    fileprivate func rules(around mapping: Mapping) -> [Mapping.Rules] {
        mappings.filter {
            $0.id == mapping.id || $0.folder.starts(with: mapping.folder) || mapping.folder.starts(with: $0.folder)
        }.map(Mapping.Rules.init)
    }
}
