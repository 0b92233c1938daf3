import Testing

@testable import RedivisSandbox

@Suite struct ChaosTests {
    private static let many = 20_000

    private func texts(_ request: RequestClass, seed: UInt64, count: Int = many) -> [String?] {
        let plan = ChaosPlan(SandboxChaos(seed: seed))
        return (1...count).map { plan.text(at: request, count: $0) }
    }

    @Test func oneSeedIsOnePlanForEachClass() throws {
        let (first, second) = (ChaosPlan(SandboxChaos(seed: 7)), ChaosPlan(SandboxChaos(seed: 7)))
        var other: [SandboxFault?] = []
        for _ in 1...2000 {
            // What other classes meet meanwhile changes nothing.
            _ = second.fault(at: .listUploads)
            other.append(second.fault(at: .putChunk))
        }
        #expect((1...2000).map { _ in first.fault(at: .putChunk) } == other)
        #expect(other.contains { $0 != nil })
    }

    @Test func seedsAndClassesDiffer() {
        #expect(texts(.putChunk, seed: 1) != texts(.putChunk, seed: 2))
        #expect(texts(.getTable, seed: 1) != texts(.getDataset, seed: 1))
    }

    @Test(arguments: RequestClass.allCases) func everyEntryCanBeRead(_ request: RequestClass) throws {
        let plan = ChaosPlan(SandboxChaos(seed: 3))
        for entry in ChaosCatalogue.entries(request) {
            var dice = ChaosPlan.Dice(seed: 3, request: request, count: 1)
            let text = entry.text(plan.chaos, &dice)
            #expect(throws: Never.self, "\(entry.template)") {
                try SandboxFault("\(request.rawValue):1:\(text)")
            }
        }
    }

    /// Whatever happens, the next try is likelier to succeed than not; and there is something to see.
    @Test(arguments: RequestClass.allCases) func lessThanHalfOfTheRequestsAreHit(_ request: RequestClass) {
        let parts = ChaosCatalogue.entries(request).reduce(0) { $0 + $1.parts }
        #expect(parts < ChaosCatalogue.whole / 2)
        let hits = texts(request, seed: 11).count { $0 != nil }
        let expected = Self.many * parts / ChaosCatalogue.whole
        #expect(abs(hits - expected) < 300, "\(hits) of \(Self.many) hit, \(expected) expected")
    }

    @Test func theNumbersKeepWithinWhatWasAsked() throws {
        var chaos = SandboxChaos(seed: 5)
        (chaos.lateMilliseconds, chaos.silentMilliseconds) = (700, 900)
        let plan = ChaosPlan(chaos)
        var seen: Set<String> = []
        for kind in [RequestClass.postUploads, .listUploads] {
            for count in 1...Self.many {
                guard let fault = plan.fault(at: kind, count: count) else { continue }
                seen.insert(fault.name)
                switch fault.action {
                case .request(.late(let time)), .lag(let time): #expect((50...700).contains(time))
                case .request(.neverRead(let time)), .request(.neverAnswer(let time, _)):
                    #expect((500...900).contains(try #require(time)))
                default: continue
                }
            }
        }
        #expect(seen.isSuperset(of: ["late", "lag", "never-read", "never-answer"]))
    }

    @Test func twinsAreMadeOnlyWhereTheyAreAskedFor() {
        #expect(!texts(.postUploads, seed: 1).contains("again=second"))
        var chaos = SandboxChaos(seed: 1)
        chaos.makesTwins = true
        let plan = ChaosPlan(chaos)
        #expect((1...Self.many).contains { plan.text(at: .postUploads, count: $0) == "again=second" })
    }

    @Test func namedFaultsComeBeforeChaosAndDoNotShiftIt() async throws {
        var configuration = SandboxConfiguration()
        configuration.chaos = SandboxChaos(seed: 9)
        configuration.faults = [try SandboxFault("get-table:1-50:418")]
        let sandbox = try Sandbox(configuration)
        let plan = ChaosPlan(SandboxChaos(seed: 9))
        for count in 1...400 {
            let fault = sandbox.core.fault(at: .getTable)
            #expect(fault?.name == (count <= 50 ? "418" : plan.fault(at: .getTable, count: count)?.name))
        }
    }
}

@Suite struct FaultScriptTests {
    @Test func readsOneFaultALine() throws {
        let script = "# outages\n\nput-chunk:2:reset\r\n  post-uploads:1:503,retry-after=a # b\t\n"
        let faults = try SandboxFault.script(script, name: "bad-day")
        #expect(faults.map(\.name) == ["reset", "503"])
        #expect(
            faults == [
                try SandboxFault("put-chunk:2:reset"), try SandboxFault("post-uploads:1:503,retry-after=a # b"),
            ])
    }

    @Test func tellsEveryProblemWithItsLine() throws {
        let script = "put-chunk:2:resett\nput-chunk:1:reset\n\nput-chunk"
        let error = #expect(throws: SandboxFault.ScriptError.self) {
            try SandboxFault.script(script, name: "bad-day")
        }
        let lines = (error?.description ?? "").split(separator: "\n")
        #expect(lines.count == 2)
        #expect(lines.first?.hasPrefix("bad-day:1: fault action resett: not known") == true)
        #expect(lines.last?.hasPrefix("bad-day:4: fault put-chunk: write CLASS:WHEN:ACTION") == true)
    }

    @Test func aFileThatIsNotThereIsAProblem() {
        let error = #expect(throws: SandboxFault.ScriptError.self) { try SandboxFault.script(at: "/nowhere/x") }
        #expect(error?.description == "/nowhere/x: there is no such file")
    }
}
