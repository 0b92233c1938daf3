import FolderWatch
import LocalFiles
import SQLiteQueue
import SyncCore

/// A mapped folder as it is now, held against what the queue knows, without writing anything.
struct FolderComparison: Sendable {
    struct Example: Sendable {
        let path: RelativePath
        let size: Int64
        let isChanged: Bool
    }

    /// Never sent.
    private(set) var new = FileCount()
    /// Delivered once, and not as they were then: changed, or only touched.
    private(set) var changed = FileCount()
    private(set) var settling = FileCount()
    /// In the queue, and not sent wholly.
    private(set) var unsent = FileCount()
    /// Some of what is new or changed.
    private(set) var examples: [Example] = []
    private(set) var problems: [String] = []
    /// Whether `existing` decides about what is new: the mapping's first scan is still to come.
    private(set) var existingIsOpen = true

    static let mostExamples = 10

    /// - Parameter reader: `nil` where nothing was ever run.
    init(_ mapping: Mapping, _ configuration: Configuration, _ reader: QueueReader?) async throws(Failure) {
        if let reader {
            unsent = try await reader.unsent(of: mapping.id)
            existingIsOpen = try await !reader.knowsExistingFiles(of: mapping.id)
        }
        if let failure = await LocalSourceReader().problem(with: mapping.folder) {
            problems.append(failure.description.printable)
            return
        }
        let tally = Tally()
        do {
            let report = try await Setup.scanner(comparing: reader).scan(
                mapping.folder, recursive: mapping.recursive, batchSize: 512,
                skipsDirectory: { configuration.directoryIsExcluded($0, in: mapping) },
                handle: { batch in
                    let ours = batch.filter {
                        configuration.route(of: $0.path, in: mapping, size: $0.observation.size) == .deliver(mapping.id)
                    }
                    let known = try await reader?.familiarity(of: ours, in: mapping.id) ?? ours.map { _ in .new }
                    await tally.count(ours, known, mapping)
                })
            problems += report.problems.map { "\($0.path): \($0.reason)".printable }
            let unnamed = report.problemCount - report.problems.count
            if unnamed > 0 {
                problems.append("\(Words.count(unnamed, "more entry", "more entries")) could not be read")
            }
        } catch let failure as Failure where failure.kind == .stateUnavailable {
            throw failure
        } catch {
            problems.append("\(error)".printable)
        }
        (new, changed, settling, examples) = await (tally.new, tally.changed, tally.settling, tally.examples)
        examples.sort { $0.path < $1.path }
    }

    private actor Tally {
        private(set) var new = FileCount()
        private(set) var changed = FileCount()
        private(set) var settling = FileCount()
        private(set) var examples: [Example] = []

        func count(_ files: [SeenFile], _ known: [Familiarity], _ mapping: Mapping) {
            for (file, familiarity) in zip(files, known) {
                let size = file.observation.size
                var isChanged = false
                switch familiarity {
                case .known, .forgotten: continue
                case .leftOut(let rule, let wasThereBefore):
                    guard mapping.sends(leftOutBy: rule, wasThereBefore: wasThereBefore) else { continue }
                    new.add(size)
                case .settling:
                    settling.add(size)
                    continue
                case .new: new.add(size)
                case .changed:
                    changed.add(size)
                    isChanged = true
                }
                if examples.count < FolderComparison.mostExamples {
                    examples.append(Example(path: file.path, size: size, isChanged: isChanged))
                }
            }
        }
    }
}
