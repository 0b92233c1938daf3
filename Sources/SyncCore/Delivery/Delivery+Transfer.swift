// Sending: each reply's range is the truth; after any doubt the server is asked first (api.md 6.3).

extension Delivery {
    func decideTransferring(
        _ session: UploadSession, _ progress: TransferProgress, on event: DeliveryEvent, in context: DecisionContext
    ) -> Decision {
        if event == .resumed { return asking(session, progress, "resumed", in: context) }
        guard case .chunkAnswered(let reply, let sent, let prefix, let serverTime) = event else {
            return unexpected(event)
        }
        if session.isExpired(at: context.now.wall, serverTime: serverTime) { return outlived(in: context) }
        if session.transport == .whole, case .stored = reply {
            return replacingSession("the storage host answered to a whole file as to a part of one", in: context)
        }
        switch reply {
        case .finished(let size, let md5):
            if let size, size != self.size {
                return replacingSession("the storage host finished with \(size) bytes of \(self.size)", in: context)
            }
            guard sent.upperBound >= self.size else {
                // Rule 4: a 200 in the middle is either "chunk received" or a session that is finished too early.
                return askingAfterRiddle(session, progress, "200 to a chunk that is not the last", in: context)
            }
            // Whoever answers 200 to everything says nothing; the session itself knows whether it is finished.
            if size == nil, md5 == nil, session.transport == .resumable {
                return askingAfterRiddle(session, progress, "200 without a word on what is stored", in: context)
            }
            return concluding(session, finished(progress, prefix, md5))
        case .stored(nil):
            return askingAfterRiddle(session, progress, "308 without a range", in: context)
        case .stored(let offset?):
            if offset > sent.upperBound {
                return replacingSession("the storage host acknowledged more than was sent", in: context)
            }
            if offset < progress.confirmed {
                return replacingSession("the storage host lost bytes that it had confirmed", in: context)
            }
            if offset == sent.lowerBound {
                var next = self
                next.noteFailedChunk(sent)
                return next.backingOff(session, progress, "nothing of a chunk was kept", in: context)
            }
            var next = self
            if offset == sent.upperBound {
                next.tally.chunks?.gotThrough(sent.upperBound - sent.lowerBound, chunkSize: context.policy.chunkSize)
            }
            return next.advanced(session, from: progress, to: offset, prefix: prefix, in: context)
        }
    }

    func decideProbing(
        _ session: UploadSession, _ progress: TransferProgress, on event: DeliveryEvent, in context: DecisionContext
    ) -> Decision {
        if event == .resumed { return asking(session, progress, "asking the storage host for its offset", in: context) }
        guard case .statusAnswered(let reply, let prefix, let serverTime) = event else { return unexpected(event) }
        if session.isExpired(at: context.now.wall, serverTime: serverTime) { return outlived(in: context) }
        switch reply {
        case .finished(let size, let md5):
            if let size, size != self.size {
                return replacingSession("the session ended early, with \(size) bytes of \(self.size)", in: context)
            }
            return concluding(session, finished(progress, prefix, md5))
        case .stored(let told):
            // Without a range nothing is stored.
            let offset = told ?? 0
            if offset > self.size {
                return replacingSession("the storage host acknowledged more than the file has", in: context)
            }
            if offset < progress.confirmed {
                return replacingSession("the storage host lost bytes that it had confirmed", in: context)
            }
            if offset == self.size {
                return backingOff(session, progress, "all bytes are there and the session is not finished", in: context)
            }
            return advanced(session, from: progress, to: offset, prefix: prefix, in: context)
        }
    }

    func decideConcluding(
        _ session: UploadSession, _ progress: TransferProgress, on event: DeliveryEvent, in context: DecisionContext
    ) -> Decision {
        if event == .resumed { return concluding(session, progress) }
        guard case .concluded(let content, let isProven) = event else { return unexpected(event) }
        guard isAsSettled(content) else { return abandonedForChange() }
        guard knowsTable(in: context) else { return waitingForTable(in: context) }
        if let stored = progress.storedMD5, stored != content.md5 {
            return resending("the storage host has other bytes than were sent (MD5 \(stored.hex))", in: context)
        }
        let object = TransferredObject(
            session: session, needsReportedDigest: !isProven && progress.storedMD5 == nil)
        var next = knowing(content, in: context)
        next.tally.failures = 0
        return next.lookingUp(.session(object), .beforePost, "all bytes are on the storage host")
    }

    /// Whether what was read is what settled, and what was known of it.
    func isAsSettled(_ content: Content) -> Bool {
        content.size == observation.size && (self.content == nil || self.content == content)
    }

    // MARK: Chunks

    func nextChunk(after progress: TransferProgress, in context: DecisionContext) -> Range<Int64> {
        ChunkPlan.next(
            confirmed: progress.confirmed, total: size, chunkSize: context.policy.chunkSize, fit: tally.chunks)
    }

    /// Nothing of a chunk has arrived, though the storage host, or something on the way, was reached with it.
    mutating func noteFailedChunk(_ range: Range<Int64>) {
        var fit = tally.chunks ?? ChunkFit()
        // The bounds come from the row and may be absurd.
        let (length, overflow) = range.upperBound.subtractingReportingOverflow(range.lowerBound)
        fit.failed(overflow ? .max : length)
        tally.chunks = fit
    }

    // MARK: Moves

    func sendingNext(
        in session: UploadSession, _ progress: TransferProgress, _ note: String, in context: DecisionContext
    ) -> Decision {
        let total = size
        switch session.transport {
        case .whole:
            return moved(
                to: .working(.transferring(session, .none)), note,
                effect: .sendChunk(session, 0..<max(total, 0), proving: nil))
        case .resumable:
            let range = nextChunk(after: progress, in: context)
            // A file of 0 bytes has no chunk: the query that names its total finishes it.
            guard !range.isEmpty else {
                return moved(
                    to: .working(.probing(session, progress)), note, effect: .queryStatus(session))
            }
            return moved(
                to: .working(.transferring(session, progress)), note,
                effect: .sendChunk(session, range, proving: progress.prefix))
        }
    }

    /// Asks the server before one more byte is sent. A PUT of a whole file has nothing to ask: it is repeated.
    func asking(
        _ session: UploadSession, _ progress: TransferProgress, _ note: String, in context: DecisionContext
    ) -> Decision {
        if session.isExpired(at: context.now.wall, serverTime: nil) { return expired() }
        switch session.transport {
        case .whole:
            return sendingNext(in: session, .none, note, in: context)
        case .resumable:
            return moved(to: .working(.probing(session, progress)), note, effect: .queryStatus(session))
        }
    }

    /// After a reply that does not tell what was kept: at once the first time, since that may be this server's way,
    /// but not without a pause where nothing came of it.
    private func askingAfterRiddle(
        _ session: UploadSession, _ progress: TransferProgress, _ why: String, in context: DecisionContext
    ) -> Decision {
        guard tally.failures == 0 else { return backingOff(session, progress, why, in: context) }
        var next = self
        next.tally.failures = 1
        return next.asking(session, progress, why, in: context)
    }

    func concluding(_ session: UploadSession, _ progress: TransferProgress) -> Decision {
        moved(
            to: .working(.concluding(session, progress)), "the storage host has finished the session",
            effect: .conclude(progress))
    }

    func expired() -> Decision {
        opening("the session is over 24 hours old; a new one is opened")
    }

    /// The same, by a reply of the server. Not without a pause: where its clock is wrong by a day, every session is
    /// over as soon as it answers.
    private func outlived(in context: DecisionContext) -> Decision {
        var next = self
        next.tally.failures = next.tally.failures.incremented
        let delay = context.policy.retry.delay(
            afterFailures: next.tally.failures, jitter: context.jitter, retryAfter: nil)
        let why = "the session is over 24 hours old; a new one will be opened"
        return next.moved(to: next.waiting(.opening, for: delay, why, in: context), why)
    }

    /// What was sent came to another content: once more, then a person is asked.
    func resending(_ why: String, in context: DecisionContext) -> Decision {
        var next = self
        next.tally.resends = next.tally.resends.incremented
        return next.tally.resends > 1
            ? next.moved(to: .parked(.contentDiffers(why)), "parked: \(why)")
            : next.opening("\(why); it is sent once more")
    }

    func backingOff(
        _ session: UploadSession, _ progress: TransferProgress, _ why: String, in context: DecisionContext
    ) -> Decision {
        var next = self
        next.tally.failures = next.tally.failures.incremented
        let delay = context.policy.retry.delay(
            afterFailures: next.tally.failures, jitter: context.jitter, retryAfter: nil)
        return next.moved(to: next.waiting(.probing(session, progress), for: delay, why, in: context), why)
    }

    private func advanced(
        _ session: UploadSession, from progress: TransferProgress, to offset: Int64, prefix: PrefixDigest?,
        in context: DecisionContext
    ) -> Decision {
        var next = self
        if offset > progress.confirmed {
            next.tally.failures = 0
            next.tally.chunks?.moved()
            // A reply to a question says nothing about the file; a chunk that was sent was read from it.
            if prefix != nil { next.tally.wasMissed = nil }
        }
        // Only beyond what any session had before: else a chunk that always kills its session would be reached, with
        // all the bytes before it sent again, for ever.
        if offset > tally.furthest {
            next.tally.furthest = offset
            next.tally.sessionsLost = 0
            next.tally.sessionsRefused = 0
            next.tally.resynchronisations = 0
        }
        let now = following(progress, to: offset, prefix: prefix, storedMD5: nil)
        return next.sendingNext(in: session, now, "\(offset) of \(size) bytes confirmed", in: context)
    }

    private func finished(_ progress: TransferProgress, _ prefix: PrefixDigest?, _ md5: Digest?) -> TransferProgress {
        following(progress, to: size, prefix: prefix, storedMD5: md5)
    }

    /// The progress at `offset`: proven as far as `prefix`, or what was proven before, reaches.
    private func following(
        _ progress: TransferProgress, to offset: Int64, prefix: PrefixDigest?, storedMD5: Digest?
    ) -> TransferProgress {
        let fresh = prefix?.offset == offset ? prefix : nil
        let proven = fresh ?? progress.prefix
        let isCovered = offset == 0 || proven?.offset == offset
        return TransferProgress(
            confirmed: offset, prefix: proven, hasUnprovenBytes: progress.hasUnprovenBytes || !isCovered,
            storedMD5: storedMD5)
    }
}
