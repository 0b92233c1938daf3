import LocalFiles
import MappingConfig
import RedivisAPI
import SQLiteQueue
import SyncCore

/// Holds receipts against everything that they speak of, page by page: memory does not grow with their number.
struct ReceiptVerification: Sendable {
    let setup: Setup
    let reader: QueueReader
    let since: Timestamp?

    private static let page = 500

    /// - Parameters:
    ///   - remotes: `nil` where there is no token.
    ///   - problem: why there is none.
    func run(
        _ remotes: TokenRemotes?, without problem: TokenProblem?
    ) async throws(Failure) -> VerificationReport {
        var report = VerificationReport(since: since)
        let progress = VerificationProgress()
        defer { progress.end() }
        // What is delivered from here on is not judged: it may be on its table later than the table is listed.
        let last = try await reader.lastReceipt()
        progress.show("the chain")
        report.take(try await reader.auditChain(isGrowing: StateDirectory.holder(of: setup.statePath) != nil))
        let listing = try UploadListing()
        let tables = try await reader.tablesOfReceipts(since: since, upTo: last)
        for table in tables.sorted(by: { $0.value < $1.value }) {
            var entry = VerificationReport.Table(table: table.value)
            if let remotes { await list(table, remotes, into: listing, &entry, progress) }
            report.tables.append(entry)
        }
        if let problem { report.note(problem) }
        try await walk(upTo: last, listing, asked: remotes != nil, &report, progress)
        return report
    }

    // MARK: Redivis

    private func list(
        _ key: TableKey, _ remotes: TokenRemotes, into listing: UploadListing,
        _ entry: inout VerificationReport.Table, _ progress: VerificationProgress
    ) async {
        do throws(Failure) {
            guard let reference = try? TableReference(parsing: key.value) else {
                throw Failure(.rejected, "\(key) is no reference to a table")
            }
            let remote = remotes.remote(for: reference)
            let table = try await remote.table(reference)
            let versions = (table.hasDraft ? [TableVersion.draft] : []) + table.released.map { .released($0) }
            var listed = 0
            for version in versions {
                var page: String?
                repeat {
                    progress.show("\(key): \(Words.count(listed, "upload")) listed")
                    let found = try await remote.uploads(of: reference, in: version, page: page)
                    try await listing.note(found.uploads, of: key, in: version)
                    listed += found.uploads.count
                    page = found.nextPage
                } while page != nil
            }
            entry.listed(listed, draft: table.hasDraft, released: table.released.count)
        } catch {
            entry.fail(error)
        }
    }

    // MARK: Receipt by receipt

    private func walk(
        upTo last: Int64, _ listing: UploadListing, asked: Bool, _ report: inout VerificationReport,
        _ progress: VerificationProgress
    ) async throws(Failure) {
        LocalSourceReader.ignoreLeaseSignals()
        let files = LocalSourceReader()
        var after: Int64 = 0
        while after < last {
            let lines = try await reader.receipts(since: since, after: after, limit: Self.page)
            guard let end = lines.last else { return }
            after = end.sequence
            for line in lines where line.sequence <= last {
                progress.show("receipt \(line.sequence) of \(last)")
                try await judge(line, files, asked ? listing : nil, &report)
            }
        }
    }

    /// - Parameter listing: `nil` where Redivis was not asked.
    private func judge(
        _ line: ReceiptLine, _ files: LocalSourceReader, _ listing: UploadListing?, _ report: inout VerificationReport
    ) async throws(Failure) {
        guard let receipt = line.record else {
            report.noteUnreadable(line.sequence)
            return
        }
        let file = await FileVerdict.of(receipt, in: setup.configuration.mapping(receipt.mapping), reader: files)
        report.note(file.verdict, bytesRead: file.bytesRead, of: receipt)
        report.count(receipt)
        guard let listing, report.wasListed(receipt.table) else { return }
        report.note(UploadVerdict(receipt, try await listing.candidates(for: receipt)), of: receipt)
    }
}
