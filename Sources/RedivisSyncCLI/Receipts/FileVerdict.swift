import SQLiteQueue
import SyncCore

/// What has become of a delivered file.
enum FileVerdict: Hashable, Sendable {
    case same
    /// Its path holds another content by now.
    case changed
    /// Nothing lies at its path.
    case gone
    /// Its mapping is not in the mapping file any more, so that its folder is not known.
    case unmapped
    case unreadable(String)

    /// Reads the file that a receipt names, whole.
    static func of(
        _ receipt: ReceiptRecord, in mapping: Mapping?, reader: some SourceReader
    ) async -> (verdict: FileVerdict, bytesRead: Int64) {
        guard let mapping else { return (.unmapped, 0) }
        do throws(Failure) {
            let source = try await reader.open(receipt.path, in: mapping.folder)
            let outcome: Result<(FileVerdict, Int64), Failure>
            do throws(Failure) { outcome = .success(try await compare(source, receipt)) } catch {
                outcome = .failure(error)
            }
            await source.close()
            return try outcome.get()
        } catch {
            return (FileVerdict(error), 0)
        }
    }

    private static func compare(
        _ source: any OpenSource, _ receipt: ReceiptRecord
    ) async throws(Failure) -> (FileVerdict, Int64) {
        guard try await source.observe().size == receipt.size else { return (.changed, 0) }
        do {
            for try await _ in await source.read(to: receipt.size) {}
        } catch {
            throw error as? Failure ?? Failure(.unreadable, "\(error)")
        }
        let content = await source.content()
        // Read to the end, and still as long and in its place.
        let isWhole = try await source.observe().size == receipt.size && content.size == receipt.size
        return (isWhole && content.sha256 == receipt.sha256 ? .same : .changed, content.size)
    }

    private init(_ failure: Failure) {
        switch (failure.kind, failure.scope) {
        case (.sourceGone, .delivery): self = .gone
        case (.sourceChanged, .delivery): self = .changed
        default: self = .unreadable(failure.description)
        }
    }
}
