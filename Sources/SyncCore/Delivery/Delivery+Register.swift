// Registering: a look-up comes before every post, and after a lost answer nothing is posted before the server was
// asked for as long as the request may still be carried out.

extension Delivery {
    func decideLookingUp(
        _ source: RegistrationSource, _ lookUp: LookUp, on event: DeliveryEvent, in context: DecisionContext
    ) -> Decision {
        if event == .resumed { return lookingUp(source, inThisRun(lookUp, context), "looking through the table") }
        if case .registrationFound(let upload, let newestReleased) = event {
            // What was posted and taken off again left nothing: what is found then is another agent's.
            let wasPosted = lookUp != .beforePost && (source != .inline || tally.posted != nil)
            return adopting(upload, of: source, newestReleased, wasPosted: wasPosted, in: context)
        }
        if case .postingGated(let until) = event {
            let delay = until.since(context.now.monotonic) ?? .seconds(1)
            let why = "an earlier run may have posted it: waiting out registration_doubt"
            return moved(
                to: waiting(
                    Stage.lookingUp(source, lookUp).afterTrouble, for: max(delay, .milliseconds(100)), why, in: context),
                why)
        }
        guard case .registrationAbsent(let report) = event else { return unexpected(event) }
        switch lookUp {
        case .beforePost:
            return posting(source, number: 1, report, in: context)
        case .inDoubt(let attempt, let connectionEnded):
            let windowEnds = connectionEnded.advanced(by: context.policy.registrationDoubt)
            if report.begun.reached(windowEnds) == true {
                switch source {
                case .session:
                    return posting(source, number: attempt.number.incremented, report, in: context)
                case .inline:
                    // The file may be too much for something on the way, which a session shows and gets around.
                    return leavingInline(.lost, "its registration was lost, with the file inside")
                }
            }
            let left = windowEnds.since(context.now.monotonic) ?? context.policy.registrationDoubt
            let pause = min(max(left, .milliseconds(50)), Self.doubtLookUpInterval)
            let why = "the answer to its registration was lost: asking until it must have been carried out or dropped"
            return moved(
                to: waiting(
                    .lookingUp(source, inThisRun(lookUp, context)), for: pause, why, in: context), why)
        }
    }

    func decidePosting(
        _ source: RegistrationSource, _ attempt: PostAttempt, on event: DeliveryEvent, in context: DecisionContext
    ) -> Decision {
        if event == .resumed {
            return inDoubt(source, attempt, "the program ended while it was registered", in: context)
        }
        guard case .registered(let upload) = event else { return unexpected(event) }
        let registration = registration(of: upload, source, attempt.newestReleased, wasPosted: true, in: context)
        guard let uploadName, UploadName.isSame(upload.name, uploadName) else {
            return withdrawing(registration, .renamed(upload.name))
        }
        var next = self
        next.tally.failures = 0
        return next.followingImport(registration, "registered")
    }

    func decideImporting(
        _ registration: Registration, on event: DeliveryEvent, in context: DecisionContext
    ) -> Decision {
        if event == .resumed { return followingImport(registration, "following its import") }
        if event == .importVanished {
            return rememberingPost(registration.attempt).moved(
                to: .parked(.removedFromTable), "parked: somebody removed it from the table")
        }
        if case .keptInstead(let upload, let newestReleased) = event, upload.uri != registration.uri {
            return bound(to: upload, newestReleased, in: context)
        }
        if event == .uploadLost { return sendingAgain(registration.attempt) }
        guard case .importReported(let upload) = event else { return unexpected(event) }
        let registration = registration.listed(as: upload)
        switch upload.status {
        case .inProgress:
            return unchanged("import in progress")
        case .failed(let words):
            return unfit(registration, .importFailed(words))
        case .completed:
            return verified(upload, registration, in: context)
        }
    }

    func decideWithdrawing(
        _ registration: Registration, _ why: Withdrawal, on event: DeliveryEvent, in context: DecisionContext
    ) -> Decision {
        if event == .resumed { return withdrawing(registration, why) }
        if case .keptInstead(let upload, let newestReleased) = event {
            return bound(to: upload, newestReleased, in: context)
        }
        guard event == .registrationWithdrawn else { return unexpected(event) }
        return provenOff(registration).withdrawn(registration, why, in: context)
    }

    /// The one upload that could have come of its one attempt is off the table. Of one that was found, that is not known.
    private func provenOff(_ registration: Registration) -> Delivery {
        let isTheOne = !registration.isAdopted && registration.isFound != true
        guard isTheOne, tally.posted?.number == 1, tally.leftInline != .lost else { return self }
        var next = self
        next.tally.posted = nil
        return next
    }

    private func withdrawn(_ registration: Registration, _ why: Withdrawal, in context: DecisionContext) -> Decision {
        switch why {
        case .importFailed(let words):
            return moved(to: .parked(.importFailed(words)), "parked: the import failed")
        case .contentDiffers(let words):
            return resendingUnlessPosted(words, in: context)
        case .sizeNeverTold where registration.isAdopted:
            // By which endpoint it went is not known; ours tells.
            return resendingUnlessPosted("Redivis never told the size of the upload that was there", in: context)
        case .sizeNeverTold where registration.endpoint == nil:
            return leavingInline(.refused, "Redivis never told its size")
        case .sizeNeverTold:
            return afterRefusedUploadID(
                of: registration.endpoint, "Redivis never told its size", fact: true, in: context)
        case .renamed(let name):
            var next = self
            next.tally.resends = next.tally.resends.incremented
            // Once a doubt about it has found nothing, and what was sent then got another name too.
            return next.tally.resends > 1 && tally.leftInline == .lost
                ? next.moved(to: .parked(.nameTaken(name)), "parked: its name is taken")
                // A name is made of path and content, so this content is on the table, or was: another agent may have
                // registered it, and the list may not show it yet.
                : next.inDoubt(.inline, registration.attempt, "its name was taken", in: context)
        }
    }

    /// What was taken off may have been another agent's, while ours is not listed yet: then it is looked for first.
    private func resendingUnlessPosted(_ words: String, in context: DecisionContext) -> Decision {
        let sent = resending(words, in: context)
        guard let posted = tally.posted, sent.delivery.state == .working(.opening) else { return sent }
        return sent.delivery.inDoubt(.inline, posted, words, in: context)
    }

    // MARK: Several uploads of it, or none

    /// From now on that upload is its own; it is verified like any other, and gets a receipt.
    func bound(to upload: RemoteUpload, _ newestReleased: VersionTag?, in context: DecisionContext) -> Decision {
        followingImport(
            Registration(
                uri: upload.uri, name: upload.name, newestReleased: newestReleased, registeredAt: context.now.wall,
                isAdopted: true),
            "it had been registered more than once: every agent keeps \(upload.uri), which it belongs to from now on")
    }

    /// Looked for once more, as after a lost answer, and then sent.
    func sendingAgain(_ attempt: PostAttempt) -> Decision {
        rememberingPost(attempt).restarted(
            "no upload of it is left on the table: it is looked for once more, and then sent again")
    }

    // MARK: What may be on the table while the row is at rest

    /// Whether ours may stand on the table though the local index does not tell: it was sent or posted before, and a list
    /// left it out, or a refusal was not the whole truth.
    public var mayBeOnTable: Bool {
        tally.posted != nil || tally.resends > 0 || tally.failures > 0 || tally.leftInline != nil
    }

    func rememberingPost(_ attempt: PostAttempt) -> Delivery {
        var next = self
        next.tally.posted = attempt.and(tally.posted)
        return next
    }

    /// - Parameter isPossible: whether it may have been registered though its tally does not tell: rows of older
    ///   versions of the program did not keep that.
    func rememberingPost(if isPossible: Bool) -> Delivery {
        guard isPossible, tally.posted == nil, uploadName != nil else { return self }
        return rememberingPost(PostAttempt(number: 1, newestReleased: nil, begunAt: Timestamp(milliseconds: 0)))
    }

    // MARK: Moves

    /// How long between two look-ups of one doubt.
    static let doubtLookUpInterval: Duration = .seconds(5)

    func lookingUp(_ source: RegistrationSource, _ lookUp: LookUp, _ note: String) -> Decision {
        moved(
            to: .working(.lookingUp(source, lookUp)), note,
            effect: .lookUp(name: uploadName ?? "", lookUp))
    }

    func inDoubt(
        _ source: RegistrationSource, _ attempt: PostAttempt, _ why: String, in context: DecisionContext
    ) -> Decision {
        lookingUp(source, .inDoubt(attempt, connectionEnded: context.now.monotonic), "\(why): looking for it")
    }

    /// Takes another way for an upload id that came to nothing, where the mapping leaves the choice to us; else parks.
    func afterRefusedUploadID(
        of endpoint: Endpoint?, _ words: String, fact: Bool, in context: DecisionContext
    ) -> Decision {
        guard context.policy.endpoint == .auto, endpoint == .resumableUpload, !tally.triedOtherEndpoint,
            context.policy.endpointFact != .documentedWorks
        else {
            return moved(to: .parked(.rejected(words)), "parked: \(words)")
        }
        var next = self
        next.tally.triedOtherEndpoint = true
        var decision = next.opening("\(words); it is sent by the other endpoint")
        decision.endpointFact = fact ? .documentedRefused : nil
        return decision
    }

    /// A doubt that was opened in another run is opened anew: what the machine did in between cannot be timed.
    private func inThisRun(_ lookUp: LookUp, _ context: DecisionContext) -> LookUp {
        switch lookUp {
        case .beforePost: .beforePost
        case .inDoubt(let attempt, let ended):
            .inDoubt(
                attempt,
                connectionEnded: ended.run == context.now.monotonic.run ? ended : context.now.monotonic)
        }
    }

    func leavingInline(_ what: Tally.LeftInline, _ why: String) -> Decision {
        var next = self
        // What was lost once may still come.
        if next.tally.leftInline != .lost { next.tally.leftInline = what }
        return next.opening("\(why); it is sent in a session")
    }

    private func posting(
        _ source: RegistrationSource, number: Int, _ report: LookUpReport, in context: DecisionContext
    ) -> Decision {
        if case .session(let object) = source, object.session.isExpired(at: context.now.wall, serverTime: nil) {
            return expired()
        }
        guard let uploadName else {
            return moved(
                to: .parked(.stateDamaged("it was to be registered without a name")), "parked: its row has no name")
        }
        let attempt = PostAttempt(
            number: number, newestReleased: report.newestReleased, begunAt: context.now.wall)
        return rememberingPost(attempt).moved(
            to: .working(.posting(source, attempt)), number == 1 ? "registering" : "registering again",
            effect: .post(source, name: uploadName, attempt))
    }

    private func adopting(
        _ upload: RemoteUpload, of source: RegistrationSource, _ newestReleased: VersionTag?, wasPosted: Bool,
        in context: DecisionContext
    ) -> Decision {
        followingImport(
            // What was not posted just now may lie in any version, the newest released one included.
            registration(
                of: upload, source, wasPosted ? newestReleased : nil, wasPosted: wasPosted, isFound: wasPosted,
                in: context),
            wasPosted ? "its registration was carried out" : "the table already has it")
    }

    private func registration(
        of upload: RemoteUpload, _ source: RegistrationSource, _ newestReleased: VersionTag?, wasPosted: Bool,
        isFound: Bool = false, in context: DecisionContext
    ) -> Registration {
        let sent = wasPosted ? source.object : nil
        return Registration(
            uri: upload.uri, name: upload.name, newestReleased: newestReleased, registeredAt: context.now.wall,
            isAdopted: !wasPosted, endpoint: sent?.session.endpoint,
            needsReportedDigest: sent?.needsReportedDigest ?? false, isFound: isFound ? true : nil)
    }

    /// A person has asked for it.
    func withdrawingAgain(_ refused: RefusedWithdrawal) -> Decision {
        var next = self
        next.tally = tally.forgettingTries
        return next.moved(
            to: .working(.withdrawing(refused.registration, refused.why)), "queued again by hand: \(refused.why.words)")
    }

    private func withdrawing(_ registration: Registration, _ why: Withdrawal) -> Decision {
        moved(
            to: .working(.withdrawing(registration, why)), "taking it off the table: \(why.words)",
            effect: .withdraw(registration))
    }

    // MARK: Verification

    /// How many completed reports without size or digest are waited for: Redivis does not say when they become known.
    /// A listing comes every few hundred milliseconds, so each is given time: 5 + 10 + 20 + 40 s in all.
    static let incompleteReportsLimit = 5
    static let incompleteReportPause: Duration = .seconds(5)

    /// Whether the upload's name is made of this path and content. An adopted upload may have any other name.
    public func bearsOurName(_ registration: Registration) -> Bool {
        guard let uploadName else { return false }
        if UploadName.isSame(registration.name, uploadName) { return true }
        // A server that renames keeps the tag, and the tag is made of path and content.
        return UploadName.tag(in: uploadName).map { UploadName.tags(in: registration.name).contains($0) } ?? false
    }

    /// What is on the table is not what it should be. Ours is taken off; what others registered under a name of
    /// theirs is not ours to delete, so a person chooses.
    private func unfit(_ registration: Registration, _ why: Withdrawal) -> Decision {
        guard registration.isAdopted, !bearsOurName(registration) else { return withdrawing(registration, why) }
        return moved(
            to: .held(.tableHasOtherUploads), "held: the upload that the table had is not this file: \(why.words)")
    }

    private func verified(
        _ upload: RemoteUpload, _ registration: Registration, in context: DecisionContext
    ) -> Decision {
        guard let content, let uploadName, let table = tableKey ?? context.table else {
            return moved(
                to: .parked(.stateDamaged("it was registered without a content")), "parked: its row has no content")
        }
        let trustsDigest = context.policy.verification == .md5 || registration.needsReportedDigest
        if let size = upload.size, size != content.size {
            return unfit(
                registration, .contentDiffers("Redivis has \(size) bytes, the file \(content.size)"))
        }
        if trustsDigest, let md5 = upload.md5, md5 != content.md5 {
            return unfit(
                registration, .contentDiffers("Redivis has MD5 \(md5.hex), the file \(content.md5.hex)"))
        }
        if upload.lacksProof(for: registration) {
            return incomplete(registration, lacksSize: upload.size == nil, in: context)
        }
        let receipt = Receipt(
            table: table, uploadName: uploadName, uri: upload.uri, content: content,
            md5Confirmed: upload.md5 == content.md5, isAdopted: registration.isAdopted,
            deliveredAt: context.now.wall)
        var done = self
        done.tally.posted = nil
        var decision = done.moved(
            to: .delivered(receipt), registration.isAdopted ? "delivered (adopted)" : "delivered")
        decision.endpointFact = learned(from: registration, in: context)
        return decision
    }

    /// What a delivery proves about the endpoint that its bytes went by, where nothing is remembered yet.
    private func learned(from registration: Registration, in context: DecisionContext) -> EndpointFact? {
        guard context.policy.endpoint == .auto, context.policy.endpointFact == nil else { return nil }
        switch registration.endpoint {
        case .resumableUpload: return .documentedWorks
        case .tempUploads: return tally.triedOtherEndpoint ? .documentedRefused : nil
        case nil: return nil
        }
    }

    private func incomplete(_ registration: Registration, lacksSize: Bool, in context: DecisionContext) -> Decision {
        var counted = registration
        counted.incompleteReports = counted.incompleteReports.incremented
        guard counted.incompleteReports >= Self.incompleteReportsLimit else {
            let why = "its import has ended; Redivis has yet to tell what it holds"
            let pause = Self.incompleteReportPause * (1 << max(registration.incompleteReports, 0))
            return moved(to: waiting(.importing(counted), for: pause, why, in: context), why)
        }
        return unfit(
            registration,
            lacksSize
                ? .sizeNeverTold
                : .contentDiffers("Redivis tells no MD5, and a part was sent by a run that did not live to prove it"))
    }
}

extension RegistrationSource {
    var object: TransferredObject? {
        switch self {
        case .session(let object): object
        case .inline: nil
        }
    }
}

extension Registration {
    /// What led to it, as far as a doubt needs it.
    var attempt: PostAttempt { PostAttempt(number: 1, newestReleased: newestReleased, begunAt: registeredAt) }

    /// With the uri that the table lists for exactly this name: the one to delete it by, should it come to that.
    fileprivate func listed(as upload: RemoteUpload) -> Registration {
        guard upload.name == name else { return self }
        var listed = self
        listed.uri = upload.uri
        return listed
    }
}

extension RemoteUpload {
    /// Whether this report leaves open what is needed to call a finished import delivered.
    func lacksProof(for registration: Registration) -> Bool {
        size == nil || (registration.needsReportedDigest && md5 == nil)
    }
}

extension Withdrawal {
    var words: String {
        switch self {
        case .importFailed: "its import failed"
        case .contentDiffers(let words): words
        case .sizeNeverTold: "its import has ended and Redivis tells no size"
        case .renamed: "its name was taken by another upload"
        }
    }
}
