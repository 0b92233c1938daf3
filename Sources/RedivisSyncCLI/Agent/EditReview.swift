import LocalFiles
import Logging
import MappingConfig
import SQLiteQueue
import SyncCore

/// One edit of the mapping file that is counted before it is put in force, and waits for a person where it would send
/// more than `confirm_above`. The one before stays in force, wholly, for as long.
struct EditReview {
    let file: LoadedMappingFile
    let limit: Int
    let counter: EditCounter
    let since: Timestamp
    /// Another count of the same edit has another number.
    var number: UInt64
    var counting: Task<Void, Never>?
    var begun: ContinuousClock.Instant
    var found = EditCount()
    var isCounted = false
    /// Once it waits, only a person or another edit ends that.
    var waits = false

    /// How long an edit may be counted without anybody being asked: a folder on a server that does not answer must
    /// not hold it up for ever.
    static let longestSilence: Duration = .seconds(60)
    /// How soon a folder that could not be looked through is tried again.
    static let pause: Duration = .seconds(15)

    var name: String { file.name }

    var isAbove: Bool { found.count.files > limit }

    var status: EditStatus {
        var status = EditStatus(name: name, limit: limit, since: since)
        (status.files, status.bytes, status.problems) = (found.count.files, found.count.bytes, found.problems)
        (status.isCounted, status.waits) = (isCounted, waits)
        return status
    }
}

extension LoadedMappingFile {
    /// What a person calls an edit by.
    var name: String { String(sha256.hex.prefix(12)) }
}

extension EditStatus {
    /// What there is to say of it, on one line.
    var words: String {
        let count = "\(isCounted ? "" : "at least ")\(Words.count(files, "file")), \(Words.bytes(bytes))"
        guard waits else { return "the edited mapping file is not in force yet: it is being counted (\(count) so far)" }
        let reason: String
        if files > limit {
            reason = "it would send \(count) more than the one in force (confirm_above: \(limit))"
        } else if let problem = problems.first {
            reason = "nobody can tell how many files it would send (confirm_above: \(limit)): \(problem)"
        } else {
            reason = "counting what it would send goes on (\(count) so far, confirm_above: \(limit))"
        }
        return "the edited mapping file waits to be accepted: \(reason)"
    }

    var remedy: String {
        "look with redivis-sync plan, then: redivis-sync plan --accept \(name)"
    }
}

extension MappingFileService {
    func beginReview(of file: LoadedMappingFile, limit: Int, _ counter: EditCounter) {
        review = EditReview(
            file: file, limit: limit, counter: counter, since: SystemTime.wall(), number: 0, begun: .now)
        count()
    }

    func dropReview() {
        review?.counting?.cancel()
        review = nil
        board.mappingFile(edit: nil)
    }

    /// Beside everything else: a large folder, or one that does not answer, holds nobody up.
    private func count() {
        guard var review else { return }
        review.counting?.cancel()
        review.number &+= 1
        (review.begun, review.isCounted) = (.now, false)
        let (number, counter, digest) = (review.number, review.counter, review.file.sha256)
        review.counting = Task { [weak self] in
            let result: EditCount?
            do {
                result = try await counter.count { [weak self] found in
                    await self?.note(found, of: digest, number)
                }
            } catch {
                result = nil
            }
            guard !Task.isCancelled else { return }
            await self?.alone { [weak self] in await self?.counted(result, of: digest, number) }
        }
        self.review = review
        board.mappingFile(edit: review.status)
    }

    private func isCurrent(_ digest: Digest, _ number: UInt64) -> Bool {
        review?.file.sha256 == digest && review?.number == number
    }

    private func note(_ found: EditCount, of digest: Digest, _ number: UInt64) {
        guard isCurrent(digest, number) else { return }
        review?.found = found
        if review?.isAbove == true { wait() }
        if let review { board.mappingFile(edit: review.status) }
    }

    /// - Parameter found: `nil` where the queue could not be read.
    private func counted(_ found: EditCount?, of digest: Digest, _ number: UInt64) async {
        guard isCurrent(digest, number), let review else { return }
        self.review?.counting = nil
        guard let found else { return wait() }
        self.review?.found = found
        self.review?.isCounted = true
        if found.count.files > review.limit || !found.problems.isEmpty {
            self.review?.isCounted = found.problems.isEmpty
            return wait()
        }
        // Undone or edited again while it was counted: the next look finds that.
        guard isStill(review.file) else { return }
        await takeUp(review.file)
    }

    private func isStill(_ file: LoadedMappingFile) -> Bool {
        (try? MappingFile.load(setup.file.path))?.sha256 == file.sha256
    }

    /// Told once in the log, and in the status for as long as it lasts.
    private func wait() {
        guard var review else { return }
        if !review.waits {
            review.waits = true
            logger.warning("\(review.status.words)", metadata: ["remedy": "\(review.status.remedy)"])
        }
        self.review = review
        board.mappingFile(edit: review.status)
    }

    /// What could not be counted may be there by now; what goes on for too long waits for a person.
    func countAgainWhereDue() {
        guard let review else { return }
        if review.counting != nil {
            if ContinuousClock.now - review.begun > EditReview.longestSilence { wait() }
        } else if !review.isCounted, ContinuousClock.now - review.begun > EditReview.pause {
            count()
        }
    }

    // MARK: A person's word

    /// Puts the edit that waits in force, and no other.
    ///
    /// - Parameter name: see `ControlRequest.acceptPlan`.
    func accept(_ name: String?) async -> ControlAnswer {
        var answer = ControlAnswer.done(ControlOutcome())
        await alone { answer = await self.acceptAlone(name) }
        return answer
    }

    private func acceptAlone(_ name: String?) async -> ControlAnswer {
        // The file may have been edited since the last look.
        if review == nil || review.map({ !isStill($0.file) }) ?? false { await lookNow() }
        guard let review else { return .refused(Self.nothingWaits) }
        if let name, !review.file.isNamed(name) {
            return .refused(
                ControlRefusal(
                    .unavailable, "the edit that waits is \(review.name), and not \(name.printable)",
                    remedy: "look at it with redivis-sync plan"))
        }
        do throws(CommandFailure) {
            // On disk before anything follows from it: a crash from here on does not ask again.
            try await LastGoodMappingFile.keep(review.file, in: setup.statePath)
        } catch {
            return .refused(ControlRefusal(.stateUnusable, error.lines.joined(separator: "; ")))
        }
        accepted = review.file.sha256
        logger.notice("the edited mapping file was accepted", metadata: ["edit": "\(review.name)"])
        var outcome = ControlOutcome()
        if await takeUp(review.file) {
            outcome.change("\(setup.file.path): accepted, and in force")
        } else {
            outcome.refuse("\(setup.file.path): accepted, and could not be taken up yet; that is tried again")
        }
        return .done(outcome)
    }

    private static let nothingWaits = ControlRefusal(
        .unavailable, "no edit of the mapping file waits to be accepted")
}

extension LoadedMappingFile {
    /// Whether a name, as `plan` shows it or longer, means this one.
    func isNamed(_ name: String) -> Bool {
        name.utf8.count >= 6 && sha256.hex.hasPrefix(name.lowercased())
    }
}

// MARK: At a start

extension Setup {
    /// How long a start waits for the count of an edit that was made while no agent ran.
    private static let patience: Duration = .seconds(10)

    /// The setup that an agent begins with. Where the mapping file was edited since an agent last went by it, and the
    /// edit would send more than `confirm_above` or cannot be counted soon, that is the one before: the edit waits
    /// then as one does that is made while the agent runs.
    func reviewed() async throws(CommandFailure) -> Setup {
        guard problems == nil, let earlier = LastGoodMappingFile.load(from: statePath, for: file.path),
            earlier.sha256 != file.sha256,
            let limit = EditCount.limit(of: earlier.configuration, and: file.configuration)
        else { return self }
        let counter = EditCounter(
            before: earlier.configuration, after: file.configuration, reader: try openReader())
        guard !counter.gaining.isEmpty else { return self }
        if let found = await counter.count(within: Self.patience), found.problems.isEmpty, found.count.files <= limit {
            return self
        }
        StandardError.write(
            """
            redivis-sync: the mapping file was edited, and the edit waits to be accepted (confirm_above: \(limit)); \
            going on with the one before. Look with redivis-sync plan, then: redivis-sync plan --accept \(file.name)

            """)
        return goingOn(with: earlier)
    }

    /// Where no agent runs: the next start goes by what is kept.
    func acceptForNextStart(_ name: String?) async -> ControlAnswer {
        guard let earlier = LastGoodMappingFile.load(from: statePath, for: file.path),
            earlier.sha256 != file.sha256,
            EditCount.limit(of: earlier.configuration, and: file.configuration) != nil
        else {
            return .refused(
                ControlRefusal(
                    .unavailable, "no agent runs, and no edit of the mapping file waits to be accepted",
                    remedy: "start it: redivis-sync run"))
        }
        if let name, !file.isNamed(name) {
            return .refused(
                ControlRefusal(
                    .unavailable, "the mapping file is \(file.name) now, and not \(name.printable)",
                    remedy: "look at it with redivis-sync plan"))
        }
        let own = await problemsOfOwnFiles(in: file)
        guard own.isEmpty else {
            return .refused(ControlRefusal(.unavailable, own.map(\.description).joined(separator: "; ")))
        }
        do throws(CommandFailure) {
            try await LastGoodMappingFile.keep(file, in: statePath)
        } catch {
            return .refused(ControlRefusal(.stateUnusable, error.lines.joined(separator: "; ")))
        }
        var outcome = ControlOutcome()
        outcome.change("\(file.path): accepted; it is in force from the next start on")
        return .done(outcome)
    }
}

extension EditCounter {
    /// - Returns: `nil` where it took longer, or the queue could not be read.
    func count(within patience: Duration) async -> EditCount? {
        let (stream, continuation) = AsyncStream.makeStream(of: EditCount?.self)
        // Apart, so that a folder that does not answer is not waited for.
        let work = Task { continuation.yield(try? await count { _ in }) }
        let clock = Task {
            try? await Task.sleep(for: patience)
            continuation.yield(nil)
        }
        defer {
            work.cancel()
            clock.cancel()
        }
        for await found in stream { return found }
        return nil
    }
}
