#!/bin/sh
# Who may do what at Kafka; made by `make schema`. KAFKA=host:port sh kafka-acls.sh
set -eu
kafka-acls.sh --bootstrap-server "$KAFKA" --command-config admin.properties --add --allow-principal User:escalation --operation Write --operation Create --operation DescribeConfigs --topic doorstep.loans.v1
kafka-acls.sh --bootstrap-server "$KAFKA" --command-config admin.properties --add --allow-principal User:audit --operation Read --operation DescribeConfigs --topic doorstep.loans.v1
kafka-acls.sh --bootstrap-server "$KAFKA" --command-config admin.properties --add --allow-principal User:escalation --operation Write --operation Create --operation DescribeConfigs --topic doorstep.escalation.v1
kafka-acls.sh --bootstrap-server "$KAFKA" --command-config admin.properties --add --allow-principal User:reminder --operation Read --operation DescribeConfigs --topic doorstep.escalation.v1
kafka-acls.sh --bootstrap-server "$KAFKA" --command-config admin.properties --add --allow-principal User:visit-scheduler --operation Read --operation DescribeConfigs --topic doorstep.escalation.v1
kafka-acls.sh --bootstrap-server "$KAFKA" --command-config admin.properties --add --allow-principal User:audit --operation Read --operation DescribeConfigs --topic doorstep.escalation.v1
kafka-acls.sh --bootstrap-server "$KAFKA" --command-config admin.properties --add --allow-principal User:reminder --operation Write --operation Create --operation DescribeConfigs --topic doorstep.reminder.v1
kafka-acls.sh --bootstrap-server "$KAFKA" --command-config admin.properties --add --allow-principal User:escalation --operation Read --operation DescribeConfigs --topic doorstep.reminder.v1
kafka-acls.sh --bootstrap-server "$KAFKA" --command-config admin.properties --add --allow-principal User:audit --operation Read --operation DescribeConfigs --topic doorstep.reminder.v1
kafka-acls.sh --bootstrap-server "$KAFKA" --command-config admin.properties --add --allow-principal User:visit-scheduler --operation Write --operation Create --operation DescribeConfigs --topic doorstep.visits.v1
kafka-acls.sh --bootstrap-server "$KAFKA" --command-config admin.properties --add --allow-principal User:escalation --operation Read --operation DescribeConfigs --topic doorstep.visits.v1
kafka-acls.sh --bootstrap-server "$KAFKA" --command-config admin.properties --add --allow-principal User:audit --operation Read --operation DescribeConfigs --topic doorstep.visits.v1
kafka-acls.sh --bootstrap-server "$KAFKA" --command-config admin.properties --add --allow-principal User:audit --operation Write --operation Create --operation DescribeConfigs --topic doorstep.audit.v1
kafka-acls.sh --bootstrap-server "$KAFKA" --command-config admin.properties --add --allow-principal User:escalation --operation Read --operation DescribeConfigs --topic doorstep.audit.v1
kafka-acls.sh --bootstrap-server "$KAFKA" --command-config admin.properties --add --allow-principal User:audit --operation Read --operation DescribeConfigs --topic doorstep.audit.v1
kafka-acls.sh --bootstrap-server "$KAFKA" --command-config admin.properties --add --allow-principal User:bank --operation Write --operation Create --operation DescribeConfigs --topic doorstep.intake.v1
kafka-acls.sh --bootstrap-server "$KAFKA" --command-config admin.properties --add --allow-principal User:escalation --operation Read --operation DescribeConfigs --topic doorstep.intake.v1
kafka-acls.sh --bootstrap-server "$KAFKA" --command-config admin.properties --add --allow-principal User:escalation --operation Read --group escalation
kafka-acls.sh --bootstrap-server "$KAFKA" --command-config admin.properties --add --allow-principal User:reminder --operation Read --group reminder
kafka-acls.sh --bootstrap-server "$KAFKA" --command-config admin.properties --add --allow-principal User:visit-scheduler --operation Read --group visit-scheduler
kafka-acls.sh --bootstrap-server "$KAFKA" --command-config admin.properties --add --allow-principal User:audit --operation Read --group audit
