import Testing

@testable import RedivisSandbox

@Suite struct FaultParsingTests {
    @Test(arguments: [
        (
            "post-uploads:2:lose-reply",
            SandboxFault(target: .one(.postUploads), occurrences: .range(2...2), action: .request(.loseReply))
        ),
        (
            "put-chunk:3:keep=262144",
            SandboxFault(target: .one(.putChunk), occurrences: .range(3...3), action: .session(.keep(262_144)))
        ),
        (
            "get-table:2-5:late=1500",
            SandboxFault(target: .one(.getTable), occurrences: .range(2...5), action: .request(.late(1500)))
        ),
        (
            "any:4+:503,after,retry-after=Wed, 21 Oct 2026",
            SandboxFault(
                target: .any, occurrences: .from(4),
                action: .request(.status(503, afterwards: true, once: false, retryAfter: "Wed, 21 Oct 2026")))
        ),
        (
            "post-uploads:*:import-failed=a, b: c",
            SandboxFault(
                target: .one(.postUploads), occurrences: .from(1), action: .registration(.importFailed("a, b: c")))
        ),
        (
            "list-uploads:1:lag=500",
            SandboxFault(target: .one(.listUploads), occurrences: .range(1...1), action: .lag(500))
        ),
        (
            "put-chunk:1:never-read",
            SandboxFault(target: .one(.putChunk), occurrences: .range(1...1), action: .request(.neverRead(nil)))
        ),
        (
            "any:1:never-answer=90000,after",
            SandboxFault(
                target: .any, occurrences: .range(1...1), action: .request(.neverAnswer(90_000, afterwards: true)))
        ),
        (
            "any-storage:1:close-draft,whole,after",
            SandboxFault(
                target: .anyStorage, occurrences: .range(1...1), action: .draft(.close(afterwards: true, whole: true)))
        ),
        (
            "post-uploads:1:again=refuse-id",
            SandboxFault(
                target: .one(.postUploads), occurrences: .range(1...1), action: .registration(.again(.refuseID)))
        ),
    ]) func readsTheTextForm(_ text: String, _ fault: SandboxFault) throws {
        #expect(try SandboxFault(text) == fault)
    }

    @Test(arguments: [
        ("put-chunk", "write CLASS:WHEN:ACTION"), ("put-chnk:1:reset", "no such request"),
        ("put-chunk:0:reset", "WHEN is 0"), ("put-chunk:5-2:reset", "WHEN is 5-2"), ("put-chunk:x:reset", "WHEN is x"),
        ("put-chunk:1:resett", "not known"), ("put-chunk:1:keep", "write keep=N"),
        ("put-chunk:1:keep=-1", "write keep=N"), ("put-chunk:1:reset,now", "write reset"),
        ("put-chunk:1:302", "between 400 and 599"), ("put-chunk:1:503,soon", "there are after, once"),
        ("put-chunk:1:refuse-id", "is for post-uploads"), ("post-uploads:1:keep=1", "is for put-chunk"),
        ("put-chunk:1:late=5", "requests of the API"), ("query-status:1:late=5", "requests of the API"),
        ("any:1:keep=5", "one kind of request"),
        ("get-table:1:lag=5", "is for list-uploads"), ("query-status:1:gap", "is for put-chunk"),
        ("post-uploads:1:again=twice", "write again=rename|refuse|second|refuse-id"),
        ("put-chunk:1:never-read,after", "write never-read[=MS]"),
        ("get-table:1:redirect=200", "write redirect=301|302"),
        ("get-table:1:no-range", "is for put-chunk and query-status"),
        ("get-table:1:503,retry-after=a\nb", "printable ASCII"),
    ]) func explainsWhatIsWrong(_ text: String, _ words: String) throws {
        let error = #expect(throws: SandboxFault.ParseError.self) { try SandboxFault(text) }
        #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
    }

    @Test(arguments: [
        ("duplicate-name", "write NAME=VALUE"), ("duplicates=refuse", "there are duplicate-name"),
        ("hash=sha1", "write hex, base64, none"),
    ]) func explainsWhatIsWrongWithASwitch(_ text: String, _ words: String) throws {
        var switches = SandboxSwitches()
        let error = #expect(throws: SandboxSwitches.ParseError.self) { try switches.apply(text) }
        #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
    }

    @Test func countsEachFaultByItself() throws {
        let plan = FaultPlan([
            try SandboxFault("put-chunk:2:reset"), try SandboxFault("any-storage:1-2:503"),
            try SandboxFault("put-chunk:3+:404"),
        ])
        let hits = (1...4).map { _ in plan.fault(at: .putChunk)?.name }
        #expect(hits == ["503", "reset", "404", "404"])
        #expect(plan.fault(at: .getTable) == nil)
        #expect(plan.fired.map(\.count) == [1, 1, 2])
    }
}

/// Every name that the sandbox offers shows in a transcript, so that none is only claimed.
@Suite struct TranscriptCoverageTests {
    private static let text = Transcript.all.flatMap { $0.lines.map(\.text) }

    @Test(arguments: SandboxSwitches.names) func aTranscriptShowsEachValueOfTheSwitch(_ name: String) {
        let values = SandboxSwitches.values(of: name)
        #expect(values.count >= 2)
        // The default shows wherever nothing is said.
        for value in values.dropFirst() {
            #expect(Self.text.contains("switch \(name)=\(value)"), "\(name)=\(value) is in no transcript")
        }
    }

    @Test(arguments: [
        "portal", "reset", "reset-at", "lose-reply", "late", "delay", "wait", "no-range", "override-200", "plain-200",
        "finish-early", "keep", "ack-more", "lose-stored", "refuse-id", "import-failed", "wrong-size", "wrong-md5",
        "no-size", "import-stuck", "blank", "redirect", "never-read", "never-answer", "trickle", "endless-body", "gap",
        "finish-more", "duplicate-name", "upload-id-reuse", "again", "lag", "release", "close-draft",
    ]) func aTranscriptShowsTheFault(_ name: String) throws {
        let faults = try Transcript.all.flatMap { $0.values(of: "fault") }.map { try SandboxFault($0).name }
        #expect(faults.contains(name))
    }

    /// A transcript cannot show headers without an end; StrangeAnswerTests do.
    @Test func everyActionHasATest() {
        #expect(FaultForm.all.count == 35)
    }
}
