#include "session/rule.h"

#include <gtest/gtest.h>

namespace holdfast::session {
namespace {

Rules Parse(std::string_view text) {
  base::Result<Rules> rules = Rules::Parse(text);
  EXPECT_TRUE(rules.ok()) << (rules.ok() ? "" : rules.status().message());
  return rules.ok() ? std::move(rules.value()) : Rules();
}

std::string Error(std::string_view text) {
  const base::Result<Rules> rules = Rules::Parse(text);
  return rules.ok() ? "" : rules.status().message();
}

TEST(Rules, WithoutARuleEveryKeyIsACacheKey) {
  const Rules rules;
  EXPECT_EQ(rules.Match("anything"), nullptr);
  EXPECT_EQ(rules.Match(""), nullptr);
  EXPECT_TRUE(Parse(" ;; \n ").empty());
}

TEST(Rules, APrefixMakesASession) {
  const Rules rules = Parse("prefix=sess: action=error budget=4s sync=60s window=10s connections=request");
  const Rule* rule = rules.Match("sess:1");
  ASSERT_NE(rule, nullptr);
  EXPECT_EQ(rule->action, Action::kError);
  EXPECT_EQ(rule->budget_ms, 4000u);
  EXPECT_EQ(rule->sync_interval_s, 60u);
  EXPECT_EQ(rule->writer_window_s, 10u);
  EXPECT_TRUE(rule->connection_per_request);
  EXPECT_NE(rules.Match("sess:"), nullptr);
  EXPECT_EQ(rules.Match("sess"), nullptr);
  EXPECT_EQ(rules.Match("other"), nullptr);
  EXPECT_EQ(rules.Match(""), nullptr);
}

TEST(Rules, TheDefaultsAreCloseAfter800Milliseconds) {
  const Rules rules = Parse("prefix=s");
  const Rule* rule = rules.Match("s1");
  ASSERT_NE(rule, nullptr);
  EXPECT_EQ(rule->action, Action::kClose);
  EXPECT_EQ(rule->budget_ms, 800u);
  EXPECT_EQ(rule->writer_window_s, 30u);
  EXPECT_EQ(rule->policy, Policy::kSession);
}

TEST(Rules, WhoNeverReusesAnIdIsKnown) {
  const Rules rules = Parse("php; rails; rack ids=reused; prefix=s: ids=fresh; prefix=t:");
  EXPECT_FALSE(rules.Match("memc.sess.key.1")->fresh_ids);
  EXPECT_TRUE(rules.Match("_session_id:1")->fresh_ids);
  EXPECT_FALSE(rules.Match("rack:session:1")->fresh_ids);
  EXPECT_TRUE(rules.Match("s:1")->fresh_ids);
  EXPECT_FALSE(rules.Match("t:1")->fresh_ids);
  EXPECT_NE(Error("prefix=s: ids=new"), "");
}

TEST(Rules, TheLongestRuleWins) {
  const Rules rules = Parse("prefix=s: budget=1s; prefix=s:tmp: policy=cache; prefix=s:tmp:x budget=2s");
  EXPECT_EQ(rules.Match("s:1")->budget_ms, 1000u);
  EXPECT_EQ(rules.Match("s:tmp:1"), nullptr);
  EXPECT_EQ(rules.Match("s:tmp:x1")->budget_ms, 2000u);
}

TEST(Rules, TheShapeOfTheIdDecides) {
  const Rules rules = Parse("prefix=s: id=4-6 alphabet=hex suffix=.x");
  EXPECT_NE(rules.Match("s:12af.x"), nullptr);
  EXPECT_NE(rules.Match("s:12AF09.x"), nullptr);
  EXPECT_EQ(rules.Match("s:123.x"), nullptr);
  EXPECT_EQ(rules.Match("s:1234567.x"), nullptr);
  EXPECT_EQ(rules.Match("s:123g.x"), nullptr);
  EXPECT_EQ(rules.Match("s:1234"), nullptr);
  EXPECT_EQ(rules.Match("s:.x"), nullptr);
}

TEST(Rules, PrefixAndSuffixDoNotOverlap) {
  const Rules rules = Parse("prefix=aba suffix=ba");
  EXPECT_EQ(rules.Match("aba"), nullptr);
  EXPECT_NE(rules.Match("ababa"), nullptr);
}

TEST(Rules, PhpSessionsAreSessionsAndTheirLocksAreNot) {
  const Rules rules = Parse("php");
  const Rule* rule = rules.Match("memc.sess.key.4gbq1h6u5rsm0g2c8p1vv6m7f1");
  ASSERT_NE(rule, nullptr);
  EXPECT_EQ(rule->action, Action::kClose);
  EXPECT_EQ(rule->budget_ms, 4000u);
  EXPECT_TRUE(rule->connection_per_request);
  EXPECT_EQ(rules.Match("memc.sess.key.lock.4gbq1h6u5rsm0g2c8p1vv6m7f1"), nullptr);
  EXPECT_EQ(rules.Match("memc.sess.other"), nullptr);
}

TEST(Rules, TheLockRuleFollowsThePrefix) {
  const Rules rules = Parse("php prefix=PHPSESS.");
  EXPECT_NE(rules.Match("PHPSESS.abc"), nullptr);
  EXPECT_EQ(rules.Match("PHPSESS.lock.abc"), nullptr);
  EXPECT_EQ(rules.Match("memc.sess.key.abc"), nullptr);
  EXPECT_NE(Parse("php locks=off").Match("memc.sess.key.lock.abc"), nullptr);
}

TEST(Rules, PeclSessionsHaveNoPrefixAndTheirLocksASuffix) {
  const Rules rules = Parse("pecl");
  EXPECT_NE(rules.Match("4gbq1h6u5rsm0g2c8p1vv6m7f1"), nullptr);
  EXPECT_EQ(rules.Match("4gbq1h6u5rsm0g2c8p1vv6m7f1.lock"), nullptr);
  EXPECT_EQ(rules.Match("short"), nullptr);
  EXPECT_EQ(Parse("pecl prefix=a. alphabet=any").Match("a.4gbq1h6u5rsm0g2c8p1vv6m7f1.lock"), nullptr);
}

TEST(Rules, ExpressSessionsAreKnownByTheirShape) {
  const Rules rules = Parse("express");
  const Rule* rule = rules.Match("Xe8-dVwHDtsxJn5_hrR1yiQsUnVnGZ8a");
  ASSERT_NE(rule, nullptr);
  EXPECT_TRUE(rule->lenient_ttl);
  EXPECT_EQ(rules.Match("Xe8-dVwHDtsxJn5_hrR1yiQsUnVnGZ8"), nullptr);
  EXPECT_EQ(rules.Match("Xe8.dVwHDtsxJn5_hrR1yiQsUnVnGZ8a"), nullptr);
  EXPECT_EQ(rules.Match("user:1000"), nullptr);
  EXPECT_NE(Parse("express prefix=sess:").Match("sess:Xe8-dVwHDtsxJn5_hrR1yiQsUnVnGZ8a"), nullptr);
}

TEST(Rules, DjangoCacheSessionsAreOursAndThoseOfCachedDbAreNot) {
  const Rules rules = Parse("django");
  EXPECT_NE(rules.Match(":1:django.contrib.sessions.cachetz0jqkj7xwvbd9gmz34nhrk8pasdfghj"), nullptr);
  EXPECT_EQ(rules.Match(":1:django.contrib.sessions.cached_dbtz0jqkj7xwvbd9gmz34nhrk8pasdfghj"), nullptr);
}

TEST(Rules, RackAndRailsHaveTheirPrefixes) {
  const Rules rules = Parse("rack; rails");
  EXPECT_EQ(rules.Match("rack:session:2::abc")->action, Action::kError);
  EXPECT_NE(rules.Match("_session_id:2::abc"), nullptr);
}

TEST(Rules, OddBytesAreWrittenWithPercent) {
  const Rules rules = Parse("prefix=a%20%3b%00%25");
  EXPECT_NE(rules.Match(std::string_view("a ;\0%1", 6)), nullptr);
}

TEST(Rules, WaitIsALongBudgetAndThenClose) {
  const Rules rules = Parse("prefix=s action=wait");
  EXPECT_EQ(rules.Match("s")->budget_ms, 30'000u);
  EXPECT_EQ(rules.Match("s")->action, Action::kClose);
}

TEST(Rules, TimesHaveUnits) {
  EXPECT_EQ(Parse("prefix=s budget=250ms").Match("s")->budget_ms, 250u);
  EXPECT_EQ(Parse("prefix=s budget=3").Match("s")->budget_ms, 3000u);
  EXPECT_EQ(Parse("prefix=s sync=2m").Match("s")->sync_interval_s, 120u);
  EXPECT_EQ(Parse("prefix=s budget=24h").Match("s")->budget_ms, 86'400'000u);
}

TEST(Rules, AStrictRuleLeavesItsLocksInMemory) {
  const Rules rules = Parse("php policy=strict; prefix=s:; prefix=s:cart: policy=strict");
  EXPECT_TRUE(rules.Match("memc.sess.key.x")->is_strict());
  EXPECT_EQ(rules.Match("memc.sess.key.lock.x"), nullptr);
  EXPECT_FALSE(rules.Match("s:x")->is_strict());
  EXPECT_TRUE(rules.Match("s:cart:x")->is_strict());
}

TEST(Rules, WhatIsWrongIsNamed) {
  EXPECT_NE(Error("phpp").find("'phpp'"), std::string::npos);
  EXPECT_NE(Error("prefix=a polic=session").find("'polic=session'"), std::string::npos);
  EXPECT_NE(Error("prefix=a policy=strictly").find("'policy=strictly'"), std::string::npos);
  EXPECT_NE(Error("prefix=a policy=strict budget=0").find("budget"), std::string::npos);
  EXPECT_NE(Error("prefix=a budget=25h").find("'budget=25h'"), std::string::npos);
  EXPECT_NE(Error("prefix=a budget=-1").find("'budget=-1'"), std::string::npos);
  EXPECT_NE(Error("prefix=a sync=1500ms").find("'sync=1500ms'"), std::string::npos);
  EXPECT_NE(Error("prefix=a id=9-3").find("'id=9-3'"), std::string::npos);
  EXPECT_NE(Error("prefix=a id=").find("'id='"), std::string::npos);
  EXPECT_NE(Error("prefix=a id=1-999").find("'id=1-999'"), std::string::npos);
  EXPECT_NE(Error("prefix=%2").find("'prefix=%2'"), std::string::npos);
  EXPECT_NE(Error("prefix=%zz").find("'prefix=%zz'"), std::string::npos);
  EXPECT_NE(Error("prefix=" + std::string(251, 'a')), "");
  EXPECT_NE(Error("prefix=a php").find("'php'"), std::string::npos);
}

TEST(Rules, ARuleForEveryKeyIsRefused) {
  EXPECT_NE(Error("action=close").find("every key"), std::string::npos);
  EXPECT_NE(Error("express id=0-250 alphabet=any").find("every key"), std::string::npos);
  EXPECT_EQ(Error("id=20-40 alphabet=alnum"), "");
}

TEST(Rules, ThereIsALimit) {
  std::string text;
  for (size_t i = 0; i < kRulesMax; ++i) text += "prefix=p" + std::to_string(i) + ":;";
  EXPECT_NE(Error(text).find("too many"), std::string::npos);
}

}  // namespace
}  // namespace holdfast::session
